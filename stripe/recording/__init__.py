"""Store gates over images and epochs in Parquet files: one writer, any number of readers."""

from stripe.recording.display import Gates as Gates
from stripe.recording.reader import Recorded as Recorded
from stripe.recording.reader import Recording as Recording
from stripe.recording.reader import open_recording as open_recording
from stripe.recording.schema import Gate as Gate
from stripe.recording.schema import Header as Header
from stripe.recording.schema import RecordedGate as RecordedGate
from stripe.recording.writer import RecordingWriter as RecordingWriter
