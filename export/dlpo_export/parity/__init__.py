"""Does a bundle compute what its checkpoint computes, and where not?"""
