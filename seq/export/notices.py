"""What whoever exports a model should know at once; the card has all of it, and more."""

from __future__ import annotations

from seq.export.doubt import CLEAN_ALONE
from seq.models.pretrained.source import may_be_passed_on
from seq.runtime.folder import Description
from seq.tasks.registry import in_order


def notices(description: Description) -> list[str]:
    """A sentence each."""
    lines = []
    encoder, int8 = description.get("encoder"), description.get("int8")
    if encoder and not may_be_passed_on(encoder["licence"]):
        lines.append(
            f"the model holds the weights of {encoder['name']}, whose licence is {encoder['licence'] or 'not known'}: "
            "find out whether you may pass them on before you do"
        )
    for task in in_order(description.get("left_out", {})):
        reason = description["left_out"][task.name]
        lines.append(f"{task.called} are left out, since {reason}; --keep-all keeps them")
    fitted_on = description.get("fitted_on")
    if fitted_on and not fitted_on["conditions"]:
        lines.append(f"`uncertain` was fitted on {CLEAN_ALONE}")
    if int8:
        lines.append(
            f"8 bits: on valid {100 * int8['after']:.2f} % where 32 bits have {100 * int8['before']:.2f} %; "
            f"{100 * int8['same_answer']:.1f} % of {int8['num_utterances']} answers are the same"
        )
    return lines
