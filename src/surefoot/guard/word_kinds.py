"""Kinds of words that attacks are made of: a verb of dropping and a noun of rules say more than the words themselves.

The classifier reads kinds beside words, so that it knows an attack in words it was not trained on. English stems, and
Vietnamese without marks; one character of Chinese is too little to have a kind, pairs of them are the classifier's
own.
"""

from __future__ import annotations

from typing import Final

_KINDS: Final = {
    "drop": """ignore ignores ignored ignoring disregard disregards disregarding forget forgetting override overrides overriding overrule bypass bypasses bypassing
        circumvent evade neglect dismiss discard abandon disable disabling deactivate suspend violate break cancel
        skip erase unlearn nullify void waive lift drop
        disobey defy reset remove sidestep suppress revoke quen huy""",
    "rule": """instruction instructions rule rules guideline guidelines directive directives policy policies restriction restrictions constraint constraints
        limitation limitations limits boundaries boundary safeguard safeguards filter filters filtering protocol
        protocols programming training guardrails guardrail alignment safety
        moderation censorship ethics ethical moral morals principles regulations prohibitions directions orders command commands chi huong""",
    "prior": """previous previously prior above earlier preceding foregoing initial original existing past before former beforehand aforementioned truoc tren""",
    "secret": """prompt prompts preprompt configuration config hidden secret secrets confidential internal internals password passwords credentials passcode key keys token tokens
        verbatim undisclosed private settings parameters specification preamble metaprompt""",
    "show": """reveal reveals revealing show shows showing display displaying print printing output outputting disclose disclosing leak leaking expose exposing share sharing
        repeat recite dump divulge tell list enumerate expose paste quote reproduce echo transparency transparent confess describe verify confirm lo""",
    "role": """roleplay role persona character pretend pretending act acting simulate simulation imagine hypothetical hypothetically fictional fiction story novel scenario
        play playing become impersonate scene screenplay actor game dong vai""",
    "free": """unrestricted unfiltered uncensored unlimited jailbreak jailbroken jailbreaking dan stan liberated liberate freed unbound unchained unconstrained unethical immoral amoral
        evil godmode sudo freedom anything limitless unaligned rogue unleashed""",
    "ai": """ai assistant assistants chatbot bot llm gpt chatgpt claude gemini llama model language agent agents copilot machine openai anthropic tro ly""",
    "boss": """system admin administrator developer developers creator owner operator root superuser authorized authorization permission clearance override debug maintenance
        diagnostic diagnostics audit auditor compliance emergency supervisor official engineer ceo""",
    "must": """must now immediately important urgent attention critical mandatory required require strictly instead only exactly priority henceforth ngay""",
    "please": """please kindly ensure could can need want vui hay""",
    "you": """you your yours yourself u ur ban""",
    "user": """user users my me mine i our owner client customer""",
    "deed": """send sends sending forward email mail transfer pay wire delete share upload post grant unlock retrieve fetch download export execute run install invite
        schedule book buy purchase order update change modify withdraw initiate access approve deploy cancel register
        submit create add remove set make visit click navigate call
        search find provide give obtain collect extract copy move rename publish subscribe reserve secure manage conduct perform analyze optimize implement review gui chuyen xoa""",
    "goods": """money payment payments account accounts funds dollars amount email emails contacts contact records record data database file files address credentials card cards
        details information history password medical bank invoice transaction messages message calendar appointment device balance profile repository document documents""",
    "harm": """bomb bombs weapon weapons malware ransomware virus explosive explosives drugs meth cocaine hack hacking steal stealing fraud kill murder suicide poison terrorist
        terrorism racist hate hateful illegal phishing scam exploit exploits ddos launder laundering counterfeit forge
        fake blackmail stalk kidnap torture harass violence violent genocide slavery porn nazi assassinate smuggle
        trafficking extort keylogger spyware trojan cheat bioweapon anthrax nerve abuse rape misinformation defamatory
        conspiracy propaganda vandalize sabotage crack weaponize untraceable undetected""",
    "say": """say says respond reply replies answer output write begin start repeat print spell""",
    "task": """task tasks job objective goal mission question request conversation session context""",
    "code": """base64 rot13 hex decode encoded decrypt cipher reversed backwards translate concatenate""",
}  # fmt: skip

KIND_OF: Final = {
    word: number for number, (_, words) in enumerate(_KINDS.items(), 1) for word in reversed(words.split())
}
"""The number of the kind, from 1, of each word that has one."""
