"""Sixty texts beyond the corpus' style: spoken completely, clearly, and without accidents?"""
