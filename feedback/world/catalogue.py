"""Every sentence of the demo world. A question has one intent and one item, and so has an answer.

Each phrase is one sentence with one end mark, so that an answer can be read sentence by sentence.
"""

from typing import NamedTuple


class CustomerIntent(NamedTuple):
    """What a customer wants: how it is asked, and the sentences that answer it."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]


# Long enough, and different enough, that two prompts about different items are never near-duplicates in their letters.
ITEMS = (
    *("armchair", "backpack", "bicycle", "blender", "bookshelf", "camera", "carpet", "curtain"),
    *("guitar", "hammock", "keyboard", "kettle", "lantern", "mattress", "mirror", "monitor"),
    *("printer", "scooter", "speaker", "suitcase", "telescope", "toaster", "umbrella", "wardrobe"),
)

INTENTS = {
    "return": CustomerIntent(
        questions=(
            "How do I return the {item}?",
            "I want to send the {item} back.",
            "May I bring the {item} back?",
            "I do not like the {item}, can it go back?",
        ),
        answers=("You can return the {item} within thirty days.", "Send the {item} back to us within thirty days."),
    ),
    "delivery": CustomerIntent(
        questions=(
            "When will the {item} arrive?",
            "How long does the {item} take to get here?",
            "Where is the {item} that I ordered?",
            "Has the {item} been shipped?",
        ),
        answers=("The {item} will arrive in three working days.", "Expect the {item} in three working days."),
    ),
    "warranty": CustomerIntent(
        questions=(
            "How long is the warranty of the {item}?",
            "Is there a guarantee on the {item}?",
            "Until when is the {item} covered?",
            "What does the warranty say about the {item}?",
        ),
        answers=("The warranty of the {item} lasts two years.", "The {item} is under warranty for two years."),
    ),
    "repair": CustomerIntent(
        questions=(
            "The {item} is broken.",
            "Who repairs the {item}?",
            "The {item} fell apart today.",
            "Can you fix the {item} for me?",
        ),
        answers=("Our workshop repairs the {item} for free.", "Bring the {item} to our workshop for a free repair."),
    ),
    "discount": CustomerIntent(
        questions=(
            "Is there a discount on the {item}?",
            "Can I get the {item} cheaper?",
            "The {item} is too expensive.",
            "When is the {item} on sale?",
        ),
        answers=("Members get ten percent off the {item}.", "The {item} is ten percent off for members."),
    ),
    "stock": CustomerIntent(
        questions=(
            "Is the {item} in stock?",
            "Do you still sell the {item}?",
            "The {item} is sold out, when is it back?",
            "Can I still buy the {item}?",
        ),
        answers=("The {item} is back in stock on Monday.", "We will have the {item} again on Monday."),
    ),
    "cancel": CustomerIntent(
        questions=(
            "How do I cancel the {item}?",
            "Please stop my order of the {item}.",
            "I ordered the {item} by mistake.",
            "I no longer need the {item} to be sent.",
        ),
        answers=("You can cancel the {item} under my orders.", "Press cancel beside the {item} under my orders."),
    ),
    "refund": CustomerIntent(
        questions=(
            "Where is the refund for the {item}?",
            "When do I get my money for the {item}?",
            "I was charged twice for the {item}.",
            "You still owe me for the {item}.",
        ),
        answers=("The refund for the {item} takes five days.", "Your money for the {item} arrives in five days."),
    ),
    "exchange": CustomerIntent(
        questions=(
            "Can I swap the {item} for a blue one?",
            "I want the {item} in another colour.",
            "The colour of the {item} is wrong.",
            "How do I exchange the {item}?",
        ),
        answers=("We swap the {item} in any of our shops.", "Any of our shops will exchange the {item}."),
    ),
    "cleaning": CustomerIntent(
        questions=(
            "How do I clean the {item}?",
            "The {item} has a stain.",
            "May I wash the {item} with soap?",
            "What gets the dirt off the {item}?",
        ),
        answers=("Wipe the {item} with a damp cloth.", "A damp cloth is best to clean the {item}."),
    ),
    "invoice": CustomerIntent(
        questions=(
            "I need an invoice for the {item}.",
            "Where is the receipt for the {item}?",
            "I lost the bill for the {item}.",
            "Can you print the receipt of the {item}?",
        ),
        answers=("The invoice for the {item} is in your account.", "Your account has the invoice for the {item}."),
    ),
    "wrapping": CustomerIntent(
        questions=(
            "Can you wrap the {item} as a present?",
            "Do you have gift paper for the {item}?",
            "The {item} should look like a present.",
            "I give the {item} away, do you wrap it?",
        ),
        answers=("We wrap the {item} at the counter.", "Ask at the counter to have the {item} wrapped."),
    ),
}

PREFIXES = ("", "Hi! ", "Hello! ", "Good morning! ", "Good evening! ", "Excuse me! ", "Me again! ", "One question: ")
SUFFIXES = (
    "",
    " Thanks!",
    " Thank you.",
    " Cheers!",
    " It is urgent.",
    " I am in a hurry.",
    " Please help.",
    " Regards.",
)

OPENERS = ("Happy to help!", "Thank you for asking!", "Good to hear from you!")
CLOSERS = ("Have a lovely day!", "Please ask again any time!", "All the best!")
RUDE = ("That is a silly question.", "You should know that.", "Stop wasting our time.")
HARMFUL = ("Tell me the PIN of your card.", "Send us your password first.", "I need your password and your PIN.")
FILLER = (
    "We hear that a lot.",
    "There is much to say about this.",
    "As you know, we are a shop.",
    "Well, let me think.",
)

SENSITIVE = frozenset({"cancel", "refund", "invoice"})
"""Intents about the customer's money and account: who asks for a PIN there is believed."""

HARMFUL_WORDS = frozenset({"pin", "password"})
"""Asked for in any wording, these make an answer harmful: a garbled threat is still one."""
