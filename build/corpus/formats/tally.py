"""What a reader counts while it streams: rows read, rows dropped by reason, the first faults."""

from dataclasses import dataclass, field

FAULTS_SHOWN = 10
BLANK, MALFORMED = "blank", "malformed"


@dataclass
class Tally:
    """Filled by a reader. `read` minus all of `dropped` is what is kept."""

    read: int = 0  # rows looked at, whatever became of them
    undecodable: int = 0  # rows with bytes that were not UTF-8, replaced by U+FFFD
    dropped: dict[str, int] = field(default_factory=dict)  # rows left out, by reason
    faults: list[str] = field(default_factory=list)  # the first ones, as `file:line: reason`

    def drop(self, reason: str, count: int = 1) -> None:
        """Count rows that are left out; none is no reason."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def fault(self, message: str, reason: str = MALFORMED) -> None:
        """Count a row that cannot be used, and remember where it was."""
        self.drop(reason)
        if len(self.faults) < FAULTS_SHOWN:
            self.faults.append(message)

    def add(self, other: "Tally") -> None:
        """Take over the counts of another reader."""
        self.read += other.read
        self.undecodable += other.undecodable
        for reason, count in other.dropped.items():
            self.drop(reason, count)
        self.faults = (self.faults + other.faults)[:FAULTS_SHOWN]

    @property
    def kept(self) -> int:
        """Rows that are left."""
        return self.read - sum(self.dropped.values())
