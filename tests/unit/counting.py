"""What is handed to a thread, by name."""

from concurrent.futures import ThreadPoolExecutor


class Counting(ThreadPoolExecutor):
    """An executor for ``loop.set_default_executor``.

    Attributes:
        names: Of the functions that `asyncio.to_thread` was given, in order; "" for what has none.
    """

    def __init__(self):
        super().__init__(2)
        self.names = []

    def submit(self, work, /, *args, **kwargs):
        self.names.append(getattr(work.args[0], "__name__", ""))
        return super().submit(work, *args, **kwargs)
