"""Scheduling: many streams on few engine threads, with none late if it can be avoided.

stream       a call as the scheduler sees it, and the cost of its units
scheduler    the decisions, without threads or a clock: time is passed in
waiting_line whole files and later texts that wait for their turn
executor     the lanes: threads that carry out the scheduler's decisions
"""
