"""Sixty texts beyond the corpus' style: are they spoken completely, clearly, and without accidents?"""
