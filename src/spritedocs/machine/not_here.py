"""What cannot be done on this machine, and what its GPU ended."""

__all__ = ["GpuEnded", "NotHere"]


class NotHere(SystemExit):
    """This machine cannot do that: one sentence says why, and what would help.

    A script that does not catch it leaves with the sentence and exit status 1, without a traceback.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)


class GpuEnded(SystemExit):
    """The GPU failed: one sentence says why, and what would help.

    No ``NotHere``, which would leave a gap: values measured without the GPU would pass for those of a machine
    that has one.
    """
