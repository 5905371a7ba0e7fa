"""The pipeline's own protocol, explained by a prompt to a model that was not trained in it (the way `prompt`)."""

from schemas.protocol_settings import OWN_NAME, ProtocolSettings

EXPLAINED = ProtocolSettings(
    name=OWN_NAME,
    message="""\
You have a search engine. Work on the task below in steps. A step is one of two:

1. You search. Write your thought between <think> and </think>, then your queries between <search> and </search>, one \
query on each line. You are then shown what was found, between <information> and </information>.
2. You answer. Write your thought between <think> and </think>, then the answer between <answer> and </answer>. \
This ends your work. To a question the answer is a name, a number or a few words. To a text with [mask] it is the \
whole text, with the missing words in place of each [mask].

Example of a step that searches:
<think>I do not know who designed the bridge.</think><search>Tower Bridge architect</search>

Example of a step that answers:
<think>The passage names Horace Jones.</think><answer>Horace Jones</answer>

The task:
{question}""",
    several_queries=True,
    around_information="\n",
)
"""It has the config's own limits. A change of its text changes the fingerprints of all answers that it was used for."""
