"""Who is computed next: many streams on few engine threads, none of them late if it can be helped.

stream       a call as the scheduler sees it, and what its units cost
scheduler    decides, without a thread or a clock: time is passed in
executor     the lanes: threads that compute what the scheduler decides
"""
