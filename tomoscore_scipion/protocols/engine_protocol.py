# SPDX-License-Identifier: GPL-3.0-or-later
"""What protocols that run the engine have in common: weights, threads, GPUs, and their checks."""

import hashlib
import os

from tomoscore_scipion.installation import EngineError
from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols.outputs import MODEL_SHA256, value
from tomoscore_scipion.protocols.recovery import readable_output

NEEDED_THREADS = 3


class TomoScoreEngineProtocol:
    """The checks of a protocol whose form has `form.add_gpu`, weights and threads."""

    _settings = ()
    """What results depend on besides the weights: (attribute of the sets, name in the form)."""

    @classmethod
    def worksInStreaming(cls):
        """Scipion may start it while its input is still growing."""
        return True

    def getScoringSettings(self):
        """{attribute of the sets: value} of what is named in `_settings`."""
        raise NotImplementedError

    def getWeights(self):
        """Path of the weights, None for those that the engine ships."""
        path = (self.weights.get() or "").strip() or Plugin.getModel()
        return os.path.abspath(path) if path else None

    def getModelSha256(self):
        """The hash of the weights, by which a model is known."""
        path = self.getWeights()
        if path is None:
            return Plugin.getEngineInfo()["weights"]["sha256"]
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def _validate(self):
        errors = []
        if self.numberOfThreads.get() < NEEDED_THREADS:
            errors.append(
                f"*Scipion threads*: at least {NEEDED_THREADS} are needed: one for the protocol, "
                "one to watch the input, and one to score."
            )
        path = self.getWeights()
        if path is not None and not os.path.isfile(path):
            return [*errors, f"*Weights*: there is no file {path}"]
        errors += self._formErrors()
        if self.usesGpu():
            errors += self._gpuErrors()
        if self.isContinued():
            errors += self._continueErrors()
        return errors

    def _formErrors(self):
        """What is wrong with the rest of the form."""
        return []

    def _gpuErrors(self):
        """GPUs of the list that are not there; with a queue nobody knows here."""
        try:
            wanted = self.getGpuList()
        except ValueError:
            return [f'*GPU IDs*: expected numbers such as "0 1", found "{self.gpuList.get()}"']
        if self.useQueue():
            return []
        try:
            devices = Plugin.getEngineInfo()["devices"]
        except EngineError:
            return []  # validateInstallation says it
        there = [d["device"].split(":")[1] for d in devices if d["device"].startswith("cuda:")]
        missing = [str(gpu) for gpu in wanted if gpu >= 0 and str(gpu) not in there]
        if not missing:
            return []
        return [
            f"*GPU IDs*: {', '.join(missing)} not found, there is {', '.join(there) or 'no GPU'}. "
            "Choose another, or set *Use GPU* to No."
        ]

    def _continueErrors(self):
        """What cannot be changed without scoring again."""
        names = [name for name, _ in self.iterOutputAttributes()]
        found = (readable_output(self, name) for name in names)
        there = [items for items in found if items is not None]
        changed = []
        # What failed before anything was scored may know no weights, and a stop may lose values.
        made = {value(items, MODEL_SHA256) for items in there} - {None}
        if made and made != {self.getModelSha256()}:
            changed.append("*Weights*")
        settings = self.getScoringSettings()
        for name, what in self._settings:
            if any(value(items, name) not in (None, settings[name]) for items in there):
                changed.append(what)
        return [
            f"{what}: another value than that of the results. Choose *Restart*, since scores of "
            "both should not be mixed, or set it back."
            for what in dict.fromkeys(changed)
        ]

    def _threadWarnings(self):
        gpus = len(self.getGpuList()) if self.usesGpu() else 0
        if gpus > self._slots():
            return [
                f"{gpus} GPUs, but {self.numberOfThreads.get()} Scipion threads use "
                f"{self._slots()} of them: choose {gpus + 2} threads."
            ]
        return self._coreWarnings() if not gpus and not self.useQueue() else []

    def _coreWarnings(self):
        """More engine threads than this machine has cores; with a queue nobody knows here."""
        cores, threads = os.cpu_count() or 1, self.binThreads.get()
        if self._slots() * threads <= cores:
            return []
        return [
            f"{self._slots()} engine processes of {threads} threads each, but this machine has "
            f"{cores} cores: choose {max(cores // threads, 1) + 2} Scipion threads, of which two "
            "score nothing."
        ]
