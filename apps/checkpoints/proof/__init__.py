"""Whether a checkpoint is sound, read byte by byte and never unpickled.

Nothing here imports torch or Django, runs what a file says, or writes anything. Every reader is bounded in memory
and in work, because a checkpoint may be broken or hostile.
"""
