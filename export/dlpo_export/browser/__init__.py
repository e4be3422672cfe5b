"""A bundle's graphs for hosts that can do little besides running graphs, such as a web page.

What serving's hosts do in numpy around the graphs is in the graphs: `pace` is what follows the
encoder, `sound` what surrounds frames and denoiser, `build` joins them with a bundle's own.
"""
