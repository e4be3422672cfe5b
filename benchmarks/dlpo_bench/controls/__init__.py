"""Speed and pitch: does a voice do what they say, and is it understood as well as without them?"""
