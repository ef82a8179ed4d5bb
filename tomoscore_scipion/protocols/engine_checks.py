# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a form before the engine runs: threads, weights, GPUs, and changes on Continue."""

import os

from tomoscore_scipion.installation import EngineError
from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols.engine_slots import number_of_slots
from tomoscore_scipion.protocols.item_attributes import value
from tomoscore_scipion.protocols.provenance import MODEL_SHA256, maker_of
from tomoscore_scipion.protocols.recovery import readable_output

MIN_THREADS = 3


def thread_errors(protocol):
    """Errors of too few Scipion threads."""
    if protocol.numberOfThreads.get() >= MIN_THREADS:
        return []
    return [
        f"*Scipion threads*: at least {MIN_THREADS} are needed: one for the protocol, "
        "one to watch the input, and one to score."
    ]


def gpu_errors(protocol):
    """Errors of listed GPUs that do not exist; not checked with a queue (its GPUs are unknown)."""
    try:
        gpus = protocol.getGpuList()
    except ValueError:
        return [f'*GPU IDs*: expected numbers such as "0 1", found "{protocol.gpuList.get()}"']
    if protocol.useQueue():
        return []
    try:
        devices = Plugin.getEngineInfo()["devices"]
    except EngineError:
        return []  # validateInstallation reports it
    existing = [d["device"].split(":")[1] for d in devices if d["device"].startswith("cuda:")]
    missing = [str(gpu) for gpu in gpus if gpu >= 0 and str(gpu) not in existing]
    if not missing:
        return []
    return [
        f"*GPU IDs*: {', '.join(missing)} not found, there is {', '.join(existing) or 'no GPU'}. "
        "Choose another, or set *Use GPU* to No."
    ]


def continue_errors(protocol):
    """Errors of parameters that cannot be changed without scoring again."""
    names = [name for name, _ in protocol.iterOutputAttributes()]
    readable = (readable_output(protocol, name) for name in names)
    outputs = [output for output in readable if output is not None]
    changed = []
    # Items that failed before the first score may have no weights, and a stop may lose values.
    models = {value(output, MODEL_SHA256) for output in outputs} - {None}
    if models and models != {protocol.getModelSha256()}:
        changed.append("*Weights*")
    elif models and {maker_of(output) for output in outputs} - {None} != {protocol.getMadeBy()}:
        changed.append("*Calibration file*")
    settings = protocol.getScoringSettings()
    for name, label in protocol._settingLabels:
        if any(value(output, name) not in (None, settings[name]) for output in outputs):
            changed.append(label)
    return [
        f"{label}: another value than that of the results. Choose *Restart*, since scores of "
        "both should not be mixed, or set it back."
        for label in dict.fromkeys(changed)
    ]


def thread_warnings(protocol):
    """Warnings of GPUs that are idle because of too few threads, and of more threads than cores."""
    slots = number_of_slots(protocol)
    gpus = len(protocol.getGpuList()) if protocol.usesGpu() else 0
    if gpus > slots:
        return [
            f"{gpus} GPUs, but {protocol.numberOfThreads.get()} Scipion threads use "
            f"{slots} of them: choose {gpus + 2} threads."
        ]
    cores, threads = os.cpu_count() or 1, protocol.binThreads.get()
    if gpus or protocol.useQueue() or slots * threads <= cores:  # the cores of a queue are unknown
        return []
    return [
        f"{slots} engine processes of {threads} threads each, but this machine has "
        f"{cores} cores: choose {max(cores // threads, 1) + 2} Scipion threads, of which two "
        "score nothing."
    ]
