"""Observers of submissions and of training runs that record their calls."""

from babelrank.observer import Observer


class RecordingObserver(Observer):
    """Records messages, and the progress of encoding: (role, texts done, total)."""

    def __init__(self):
        self.messages, self.progress = [], []

    def log(self, message):
        self.messages.append(message)

    def encoding(self, _):
        return lambda role, done, total: self.progress.append((role.value, done, total))


class RecordingTrainingObserver(RecordingObserver):
    """Also records the measurements of each training step: (step, values by name)."""

    def __init__(self):
        super().__init__()
        self.logs, self.counted = [], {}

    def counting(self, what, unit):
        return lambda done, total: self.counted.update({what: (done, total, unit)})

    def training(self, _):
        return lambda step, logs: self.logs.append((step, dict(logs)))

    @property
    def losses(self):
        return {step: logs["loss"] for step, logs in self.logs if "loss" in logs}
