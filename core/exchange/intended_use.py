"""What a network may be used for: said wherever it is handed out or asked."""

from typing import Final

INTENDED_USE: Final = (
    "The network names the expression that a face shows in a picture, as people who looked at such pictures would name "
    "it. It can't tell what somebody feels, thinks or intends. About three in ten of its answers on FER2013 are wrong, "
    "and how many depends on who is shown, and on light and angle. Use it for research and teaching, with the consent "
    "of those in the picture, and don't decide about people by it. In the European Union, the AI Act (Regulation (EU) "
    "2024/1689) forbids inferring the emotions of people at work and in education, but for medical or safety reasons "
    "(Art. 5(1)(f)), and whoever recognises emotions elsewhere must inform the people concerned (Art. 50(3)). This is "
    "not legal advice."
)
"""Plain text, a paragraph."""
