"""What runs a world's networks: one interface, and whichever way is quickest on the device at hand."""

from dreamcade.engine.executors.choice import choose_executor
from dreamcade.engine.executors.executor import Executor

__all__ = ["Executor", "choose_executor"]
