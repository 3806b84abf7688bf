"""A network in onnxruntime, one thread of it, and how long it takes."""

from __future__ import annotations

from threading import Timer
from time import thread_time_ns

import numpy as np
import onnxruntime
from stride_core.arrays import FloatArray
from stride_core.contract import ContractError
from stride_core.policy_file import INPUT, OUTPUT, control_flow

from stride_control.policy.background import rest

_FLOAT = "tensor(float)"
_QUIET = 4
_NOWHERE = "/nonexistent"


class Network:
    """A trained network. Its input and output have fixed names; the normaliser is inside.

    Attributes:
        observations, actions: sizes of input and output.
    """

    def __init__(self, model: bytes) -> None:
        """Load a serialised ONNX model.

        Raises:
            ContractError: onnxruntime cannot run it, or it is no policy; one line.
        """
        if branching := control_flow(model):  # it may end here and never on the robot
            raise ContractError(f"operator {branching[0]}: expected a network without control flow")
        rest()
        options = onnxruntime.SessionOptions()
        # one thread: a second one would take the other core from the control loop
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        # weights outside of the file are not covered by its checksum
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", _NOWHERE
        )
        try:
            session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its classes have no common ancestor
            raise ContractError(f"onnxruntime cannot run it: {_one_line(error)}") from None
        rest()
        self.observations = _size("input", INPUT, session.get_inputs())
        self._one_by_one = session.get_inputs()[0].shape[0] == 1
        self.actions = _size("output", OUTPUT, session.get_outputs())
        self._session = session
        self._options = onnxruntime.RunOptions()
        self._options.log_severity_level = _QUIET

    def __call__(self, observation: FloatArray) -> FloatArray:
        """The answer, ``(..., actions)``, to an observation, ``(..., observations)``."""
        rows = observation.astype(np.float32).reshape(-1, self.observations)
        batches = rows[:, None] if self._one_by_one else rows[None]
        run, options = self._session.run, self._options
        answers = [run([OUTPUT], {INPUT: batch}, options)[0] for batch in batches]
        answer: FloatArray = np.concatenate(answers).astype(np.float64)
        return answer.reshape(*observation.shape[:-1], self.actions)

    def warm_up(self, observations: FloatArray, seconds: float) -> tuple[FloatArray, float]:
        """Answer each of ``(n, observations)`` by itself; break off after some time.

        Returns:
            The answers ``(n, actions)``, and the median of the processor's time for one [s]: the
            time that this thread computes, however busy the machine is.

        Raises:
            ContractError: it fails, or does not end; one line.
        """
        answers, spent = [], []
        timer = Timer(seconds, self._break_off)
        timer.daemon = True
        timer.start()
        try:
            for observation in observations:
                start = thread_time_ns()
                answers.append(self(observation))
                spent.append(thread_time_ns() - start)
                rest()
        except Exception as error:
            if self._options.terminate:
                raise ContractError(f"no answer within {seconds:g} s") from None
            raise ContractError(f"onnxruntime cannot run it: {_one_line(error)}") from None
        finally:
            timer.cancel()
        return np.array(answers), float(np.median(spent)) * 1e-9

    def _break_off(self) -> None:
        self._options.terminate = True


def _size(what: str, name: str, values: list[onnxruntime.NodeArg]) -> int:
    """Width of the only input or output."""
    found = [f"{value.name} {value.type} {value.shape}" for value in values]
    if len(values) == 1 and values[0].name == name and values[0].type == _FLOAT:
        shape = values[0].shape
        # a free batch has a name where a number would stand
        batch = len(shape) == 2 and (shape[0] == 1 or not isinstance(shape[0], int))
        if batch and isinstance(shape[1], int):
            return int(shape[1])
    raise ContractError(f"{what}: {', '.join(found)}: expected {name} {_FLOAT} ['batch', size]")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
