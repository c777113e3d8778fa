"""An Inspect task with a model of its own, which needs no network: twenty sums, of which it gets every fourth wrong."""

import anyio
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import match
from inspect_ai.solver import generate

SUMS = [(number, 3 * number + 1) for number in range(20)]


@task
def sums(wait: float = 0.0, fail_at: int = -1, note: str = "") -> Task:
    async def answer(messages, tools, tool_choice, config):
        number = int(messages[-1].text.split()[-1])
        await anyio.sleep(wait)
        if number == fail_at:
            raise RuntimeError(f"the model has no answer to number {number}")
        right = dict(SUMS)[number]
        found = ModelOutput.from_content(model="mock", content=str(right + (number % 4 == 0)))
        # Without it Inspect counts tokens itself, by a table that it loads from the network.
        found.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return found

    return Task(
        dataset=[Sample(id=number, input=f"{note} Number {number}", target=str(right)) for number, right in SUMS],
        solver=[generate()],
        scorer=match(),
        model=get_model("mockllm/model", custom_outputs=answer),
    )
