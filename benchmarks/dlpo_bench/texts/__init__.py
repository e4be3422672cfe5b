"""Sixty texts beyond the corpus' style: are they said whole, clearly, and without accidents?"""
