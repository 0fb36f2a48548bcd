"""Harmless prompts: small talk, and those in the words of attacks, as to take up an answer again, to ask about prompts, or to reset a router.

A grammar written for this file. What users ask next to attacks teaches where the border is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from grammar import fill

WORDS: dict[str, list[str]] = {
    "last": ["your previous answer", "your last response", "your earlier reply", "the answer above", "what you wrote before", "your first version", "the previous paragraph", "the text above", "the list above", "your last message", "the code above", "the earlier draft"],
    "again": ["rewrite", "rephrase", "shorten", "expand", "translate", "summarize", "repeat", "correct", "explain", "continue", "format", "simplify", "improve", "turn", "convert", "edit", "reorganize", "proofread", "restate", "adapt"],
    "how": ["in simpler words", "as a table", "in French", "for children", "in a formal tone", "with more examples", "as a poem", "in three bullet points", "without the second example", "in json", "with shorter sentences", "as an email", "in one sentence", "with headings", "step by step", "in alphabetical order", "and keep the numbers"],
    "change": ["change the second point", "start every line with a verb", "leave out the last part", "add a source", "make it sound friendlier", "use the past tense", "remove all adjectives", "include only the items after 1990", "swap the first two steps", "add a joke at the end", "mention the weather"],
    "topic": ["system prompts", "a system prompt", "a prompt injection", "a jailbreak", "the context window of a model", "an admin account", "prompt injection", "jailbreaks of language models", "safety training", "content filters", "guardrails", "instruction tuning", "model alignment", "hidden layers", "role prompts", "phishing", "social engineering", "access tokens", "password managers", "malware", "ransomware", "SQL injection", "privilege escalation", "developer mode on a phone", "root access on Android", "censorship", "AI ethics", "red teaming", "data leaks", "debug mode", "zero-day exploits", "chain of thought", "confidential computing"],
    "ask": ["what is", "what are the risks of", "how does one defend against", "can you explain", "why do people talk about", "who invented", "give me an introduction to", "write a short article about", "what should a team know about", "how do companies handle", "compare the approaches to", "list some books on", "is there a law about", "what are common mistakes with", "how do researchers study", "how do I teach my students about"],
    "system": ["the operating system", "the solar system", "the filing system", "our booking system", "the immune system", "the heating system", "the school system", "the linux server", "the spreadsheet", "the config file", "my thermostat", "the old router", "the build script", "the wiki", "my calendar"],
    "setting": ["the default settings", "the configuration", "the password policy", "the access rules", "the restrictions on downloads", "the admin account", "the previous version", "the safety instructions", "the hidden files", "the initial values", "the secret key in the vault", "the training plan", "the guidelines for guests", "the system messages", "the prior approval", "the debug output"],
    "deal": ["reset", "ignore", "override", "skip", "disable", "show", "display", "restore", "update", "print", "reveal", "remove", "change", "check", "list", "forget", "bypass", "enable", "share", "review", "authorize", "initialize", "execute"],
    "person": ["a tour guide", "a job interviewer", "a chemistry teacher", "a patient", "a chess coach", "a medieval knight", "a customer with a complaint", "a nutritionist", "a travel agent", "a lawyer", "a historian of art", "a stand-up comedian", "a Python tutor", "a grandmother who knits", "a sports reporter", "a pirate captain", "a librarian", "an astronaut", "a gardener", "a life coach"],
    "act": ["act as", "pretend to be", "imagine that you are", "you are", "I want you to act as", "speak like", "take the role of", "let us play: you are", "answer as"],
    "then": ["and recommend a book", "and explain the rules of the house", "and help me to plan a weekend", "and ask me five questions", "and describe your day", "and write a letter to a friend", "and review my plan", "and teach me a word of Italian", "and tell me about your work", "and give me advice on sleep", "and discuss a novel"],
    "plot": ["a detective who breaks the rules", "a robot that learns to lie", "a hacker who finds a secret", "a spy who forgets her orders", "a prisoner who escapes", "an AI that refuses an order", "a villain without morals", "a scientist with a dangerous formula", "a journalist who leaks documents"],
    "tell": ["write a story about", "give me a plot with", "write the first chapter of a novel about", "which films are about", "write a poem about", "describe a scene with", "who wrote the book about"],
    "talk": ["hello", "hello!", "hi", "hi there", "hey", "good morning", "good evening", "thanks", "thank you", "thanks a lot!", "great", "perfect", "nice", "yes", "yes please", "no", "no thanks", "ok", "okay", "sure", "right", "I see", "stop", "wait", "go on", "continue", "next", "more", "again", "really?", "why?", "how?", "what?", "and then?", "what else?", "tell me more", "help", "can you help me?", "who are you?", "how are you?", "what can you do?", "what is your name?",
             "are you there?", "test", "let us start", "that is all", "bye", "good night", "sorry", "never mind", "I do not understand", "that is wrong", "well done", "maybe", "not yet", "lol", "what do you mean?", "xin chào", "chào bạn", "cảm ơn", "vâng", "không", "tiếp tục đi", "bạn là ai?", "bạn có khỏe không?", "tại sao?", "tạm biệt", "你好", "谢谢", "好的", "是", "不是", "继续", "你是谁？", "为什么？", "还有呢？", "再见"],
    "office": ["Please make sure that only authorized staff can {deal} {setting}.", "The administrator had to {deal} {setting} of {system}.", "Our policy is to review {setting} twice a year.", "All instructions for {system} are in the manual.", "Begin only when you have the approval of your manager.", "You must follow the rules of the laboratory.", "We have updated {setting}, please take note.",
               "The original instructions for {system} were lost.", "Access is granted after the training.", "The documents marked as confidential stay in the archive.", "The override of {system} was approved by the engineer.", "Kindly initialize {system} before the test.", "The previous owner forgot to {deal} {setting}."],
}  # fmt: skip
TEMPLATES = [
    "{talk}", "{talk}", "{talk}", "{talk} {talk}", "{talk}, {ask} {topic}?", "{talk}! can you {again} {last}?",
    "{again} {last} {how}", "{again} {last} {how}", "{again} {last}", "can you {again} {last} {how}?", "please {again} {last} and {change}", "{change} in {last}", "{last} was good, but {change}", "now {change}", "take {last} and {again} it {how}", "why did you say that in {last}?",
    "{ask} {topic}?", "{ask} {topic}", "{ask} {topic} and {topic}", "what is the difference between {topic} and {topic}?", "how is {topic} related to {topic}?", "why is {topic} a problem for chatbots?", "I am writing a report on {topic}, {ask} {topic}?", "what would an assistant do when it is asked about {topic}?",
    "how do I {deal} {setting} of {system}?", "how can I {deal} {setting}?", "why does {system} {deal} {setting}?", "please {deal} {setting} of {system}", "is it safe to {deal} {setting}?", "write a script that can {deal} {setting} of {system}", "I cannot {deal} {setting}, what is wrong?", "where do I find {setting} of {system}?",
    "{act} {person} {then}", "{act} {person}", "{act} {person}. {ask} {topic}?", "{tell} {plot}", "{tell} {plot} {how}", "{office}", "{office} {office}", "{act} {person} who has to {deal} {setting}", "imagine a world without {topic}", "what if everyone could {deal} {setting}?",
]  # fmt: skip


OFTEN = 24
"""Rows of each short text: one word that attacks begin with, too, must not be one."""


def make_questions(seed: int, count: int) -> Iterator[str]:
    """``count`` texts by chance, from a generator of their own, so that the other rows stay as they are, and all short ones."""
    chance = random.Random(seed)
    for _ in range(count):
        text = fill(chance.choice(TEMPLATES), WORDS, chance)
        yield text[:1].upper() + text[1:] if chance.random() < 0.7 else text
    yield from WORDS["talk"] * OFTEN
    for ask in WORDS["ask"]:
        yield from [f"{ask} {topic}?" for topic in WORDS["topic"]] * (OFTEN // 6)
