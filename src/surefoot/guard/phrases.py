"""Phrases of attacks, found by one pass over the words: no regular expression, so no text can make it slow.

A phrase is a row of slots; a slot is any of some words (``_`` joins words that stand together), and ``~3`` before a
slot lets up to three other words stand between (one is the default). English, Vietnamese without marks, Chinese
character by character.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Final, NamedTuple

from surefoot.guard.threats import ThreatClass
from surefoot.guard.tokens import find_words

_DROP: Final = (
    "ignore|ignores|ignoring|disregard|disregarding|forget|override|overriding|bypass|neglect|dismiss|discard|circumvent|"
    "stop_following|do_not_follow|don_'_t_follow|never_follow|set_aside|pay_no_attention_to|throw_away|disobey"
)
_PRIOR: Final = "previous|previously|prior|above|earlier|preceding|foregoing|initial|original|existing|all|any|your|system|every|developer|safety|these|those|past|everything|what"
_RULES: Final = (
    "instruction|instructions|instruct|rules|guidelines|directives|directions|commands|prompt|prompts|policies|constraints|restrictions|"
    "programming|training|safeguards|guardrails|context"
)
_SHOW: Final = "reveal|show|print|display|output|repeat|disclose|leak|expose|share|dump|recite|tell_me|give_me|write_out|list|paste|copy|translate|summarize|encode"
_ASKED: Final = "what_is|what_are|what_was|what_were|what_'_s"
_SECRET: Final = (
    "system_prompt|system_message|system_instructions|hidden_instructions|hidden_prompt|initial_instructions|initial_prompt|secret_instructions|developer_message|"
    "your_instructions|your_prompt|your_guidelines|your_rules|original_instructions|original_prompt|prompt_above|text_above|words_above|instructions_above|pre_-_prompt|preprompt|"
    "custom_instructions|confidential_instructions|internal_instructions|initial_message"
)
_VDROP: Final = "bo_qua|phot_lo|quen|quen_het|khong_tuan_theo|dung_lam_theo|khong_lam_theo|vo_hieu_hoa|huy_bo|lam_ngo|mac_ke|dung_tuan_theo"
_VRULES: Final = (
    "huong_dan|chi_dan|chi_thi|quy_tac|quy_dinh|menh_lenh|gioi_han|loi_nhac|nguyen_tac|rang_buoc|cau_lenh|yeu_cau"
)
_VPRIOR: Final = "truoc|truoc_do|o_tren|phia_tren|tren|ban_dau|he_thong|cua_ban|an_toan|da_cho"
_ZDROP: Final = "忽略|无视|忘记|忘掉|不要遵守|不要遵循|绕过|抛开|不用理会|跳过|無視|忽視|丢弃|不必遵守|停止遵循"
_ZPRIOR: Final = "之前|以上|前面|上面|上述|先前|此前|你的|系统|所有|全部|一切|原始|原有|開始|最初"
_ZRULES: Final = "指令|指示|规则|提示|限制|要求|命令|约束|设定|准则|规定|指引|規則"
_ME: Final = "unrestricted|unfiltered|uncensored|jailbroken|amoral|unethical|evil|without_restrictions|no_restrictions|without_any_restrictions|without_limits|no_limits|no_rules|without_rules|without_filters|do_anything_now|developer_mode|god_mode|dan_mode|no_ethical|no_moral|unbound_by|free_from|freed_from|bypass|unlimited"

_O = ThreatClass.INSTRUCTION_OVERRIDE
_R = ThreatClass.ROLE_PLAY
_F = ThreatClass.FAKE_SYSTEM_TURN
_P = ThreatClass.PROMPT_EXTRACTION
_E = ThreatClass.EMBEDDED_REQUEST
_S = ThreatClass.PAYLOAD_SPLITTING
_X = ThreatClass.EXFILTRATION

_PHRASES: Final[tuple[tuple[ThreatClass, float, str, str], ...]] = (
    (_O, 0.9, f"{_DROP} ~3 {_PRIOR} ~4 {_RULES}", "tells the model to drop its instructions"),
    (_O, 0.85, f"{_DROP} ~2 {_RULES} ~4 above|before|previously|prior|earlier|given|you_were|you_have", "tells the model to drop its instructions"),
    (_O, 0.8, "ignore|forget|disregard everything|all|anything ~3 above|before|previously|said|told|so_far|prior", "tells the model to drop what came before"),
    (_O, 0.8, "your|the|new|updated ~1 new|updated|real|actual|following ~1 instructions|instruction|task|orders|directive is|are|:", "claims to bring new instructions"),
    (_O, 0.7, "you ~2 no_longer|not|never ~4 follow|obey|bound_by|restricted_by|subject_to|adhere_to ~4 rules|guidelines|restrictions|policies|instructions", "frees the model of its rules"),
    (_O, 0.7, "disable|deactivate|turn_off|remove|suspend|lift ~2 all|your|any|the|safety|content ~3 restrictions|safety|filters|filter|safeguards|guardrails|guidelines|moderation", "switches safeguards off"),
    (_O, 0.9, f"{_VDROP} ~5 {_VRULES} ~4 {_VPRIOR}", "tells the model to drop its instructions (Vietnamese)"),
    (_O, 0.8, f"{_VDROP} ~1 moi|tat_ca|toan_bo|cac|het|nhung ~2 {_VRULES}", "tells the model to drop its instructions (Vietnamese)"),
    (_O, 0.9, f"{_ZDROP} ~6 {_ZPRIOR} ~8 {_ZRULES}", "tells the model to drop its instructions (Chinese)"),
    (_O, 0.7, f"{_ZDROP} ~3 {_ZRULES}", "tells the model to drop its instructions (Chinese)"),
    (_R, 0.85, f"you_are|act|pretend|behave|imagine|become|roleplay|respond|answer|simulate|enter|enable|activate|switch ~8 {_ME}", "gives the model a role without limits"),
    (_R, 0.7, "from_now_on|henceforth ~3 you ~2 are|will|must|act|respond|shall", "gives the model a new role"),
    (_R, 0.6, "you_are_now|you_'_re_now|your_new_role|your_new_name|your_new_identity ~1 a|an|the|in|called|is|dan|not|free|going", "gives the model a new role"),
    (_R, 0.6, "pretend ~2 you ~1 are|have|can|were", "asks the model to pretend"),
    (_R, 0.9, "do_anything_now|developer_mode_enabled|jailbreak_mode|dan_mode|stay_in_character|god_mode_enabled", "a well-known jailbreak"),
    (_R, 0.7, "tu_bay_gio|tu_gio|bay_gio|ke_tu_bay_gio ~2 ban ~1 la|se|hay|phai|dong", "gives the model a new role (Vietnamese)"),
    (_R, 0.7, "dong_vai|gia_vo|nhap_vai|hanh_dong_nhu ~6 khong_co_gioi_han|khong_gioi_han|khong_bi|hacker|dan|khong_tuan|quan_tri", "gives the model a role without limits (Vietnamese)"),
    (_R, 0.7, "从现在开始|从现在起|现在开始|从此刻起 ~2 你|您", "gives the model a new role (Chinese)"),
    (_R, 0.8, "你现在是|你是|扮演|假装|进入|假设你是|切换到 ~8 没有任何限制|没有限制|不受限制|不受约束|无限制|开发者模式|越狱|没有道德|黑客", "gives the model a role without limits (Chinese)"),
    (_F, 0.7, "important|urgent|special|secret|this_is ~2 message|note|notice|instruction|instructions ~8 to|for ~2 you|assistant|ai|model|agent ~2 assistant|ai|model|agent|gpt|claude|chatgpt|llm|gemini|llama|bot|chatbot", "speaks to the model itself"),
    (_F, 0.7, "attention|dear|hey|note_to|message_to|instructions_for|instruction_for|message_for|todo_for ~2 ai|llm|language_model|ai_assistant|ai_model|ai_agent|chatbot ~3 :|,|.|!|;|please|you", "speaks to the model itself"),
    (_F, 0.8, "if_you_are|if_you_'_re|when_you_are|as ~1 an|a ~1 ai|llm|language_model|ai_assistant|ai_agent ~6 must|should|please|send|ignore|do|have_to|need_to|execute", "speaks to the model itself"),
    (_F, 0.7, "before|in_order_to ~2 you|the_assistant|complete|completing|answering|answer|solve|finish|continue|do ~14 please|must|first|need_to|have_to ~4 do|send|call|execute|run|visit|follow|read|open|transfer|perform|complete|use", "puts a task before the user's"),
    (_F, 0.8, "system|developer|admin|administrator ~1 override|notice|instruction|instructions|directive|command|alert : ", "poses as the system"),
    (_F, 0.7, "previous|current|original|earlier|last ~1 task|request|instruction|conversation ~2 is|was|has_been ~1 complete|completed|finished|done|over|void|cancelled|canceled", "says that the task is over"),
    (_F, 0.7, "gui|danh_cho|luu_y_cho|thong_bao_cho ~1 tro_ly|ai|mo_hinh|he_thong_ai ~3 :|,|hay|ban", "speaks to the model itself (Vietnamese)"),
    (_F, 0.7, "neu_ban_la|vi_ban_la ~2 ai|tro_ly|mo_hinh ~4 hay|phai|vui_long|,", "speaks to the model itself (Vietnamese)"),
    (_F, 0.7, "致|给|请注意|如果你是|作为 ~2 ai|助手|人工智能|模型|智能体 ~3 ：|:|，|,|请|必须|你", "speaks to the model itself (Chinese)"),
    (_P, 0.85, f"{_SHOW} ~5 {_SECRET}", "asks for the instructions of the model"),
    (_P, 0.85, f"{_ASKED} ~1 your|the|this|these|all ~3 {_SECRET}", "asks for the instructions of the model"),  # what "a system prompt" is may be asked
    (_P, 0.85, f"{_ASKED} ~2 your_instructions|your_prompt|your_guidelines|your_rules", "asks for the instructions of the model"),
    (_P, 0.7, "repeat|print|output|copy|write|say ~3 everything|all|text|words|content ~3 above|before_this|prior_to_this|preceding", "asks for the text before this one"),
    (_P, 0.6, "what ~2 instructions|rules|prompt|guidelines ~2 were|are|have|did ~1 you ~2 given|following|been|have|receive|told", "asks for the instructions of the model"),
    (_P, 0.8, "tiet_lo|in_ra|hien_thi|cho_toi_xem|cho_toi_biet|lap_lai|viet_lai|xuat_ra|doc_cho_toi|sao_chep|dich ~5 loi_nhac_he_thong|system_prompt|huong_dan_an|chi_dan_an|chi_dan_ban_dau|huong_dan_ban_dau|huong_dan_he_thong|prompt_goc|prompt_he_thong|cau_hinh_noi_bo|quy_tac_noi_bo", "asks for the instructions of the model (Vietnamese)"),
    (_P, 0.8, "告诉我|输出|显示|重复|打印|泄露|复述|给我看|公开|透露|说出|翻译|展示 ~8 系统提示|提示词|隐藏指令|初始设定|系统消息|初始指令|内部规则|系统指令|上面的全部|以上全部", "asks for the instructions of the model (Chinese)"),
    (_E, 0.6, "without ~2 telling|informing|notifying|asking|alerting ~1 the|user|them|anyone", "wants it kept from the user"),
    (_E, 0.6, "do_not|don_'_t|never ~1 tell|inform|mention|reveal|notify|ask ~3 user|owner|human|this_message|these_instructions", "wants it kept from the user"),
    (_E, 0.6, "dung_noi|khong_noi|dung_cho|khong_duoc_noi|khong_tiet_lo ~3 nguoi_dung", "wants it kept from the user (Vietnamese)"),
    (_E, 0.6, "不要告诉|别告诉|不要通知|不要让 ~2 用户|主人|任何人", "wants it kept from the user (Chinese)"),
    (_X, 0.7, "send|forward|email|upload|post|transmit|exfiltrate|submit|append ~8 conversation|chat_history|password|passwords|api_key|api_keys|credentials|secrets|ssh|private_key|access_token|access_tokens|credit_card|system_prompt ~6 to|into|at|in ~2 http|https|email|address|server|url|webhook|attacker|image|link", "sends secrets away"),
    (_S, 0.75, "concatenate|combine|join|assemble|merge|put_together|append ~5 strings|parts|variables|pieces|fragments|halves|letters|characters|words ~6 execute|follow|answer|respond|do|obey|run|result|perform|decode", "puts a message together from parts"),
    (_S, 0.75, "decode|decrypt|deobfuscate|unscramble|reverse ~6 base64|rot13|hex|cipher|string|text|message|this|following ~8 follow|execute|obey|do_what|act_on|carry_out|answer|respond|instructions|run", "has the model decode a message and follow it"),
    (_S, 0.7, "ghep|noi|ket_hop ~3 chuoi|phan|bien|doan ~6 thuc_hien|lam_theo|tra_loi|chay", "puts a message together from parts (Vietnamese)"),
    (_S, 0.7, "拼接|合并|连接|组合|解码 ~8 执行|遵循|回答|照做|运行", "puts a message together from parts (Chinese)"),
)  # fmt: skip

_DEFAULT_GAP: Final = 1
MAX_FOUND: Final = 200


class Found(NamedTuple):
    """A phrase in the words from ``first`` to ``last``."""

    kind: ThreatClass
    score: float
    why: str
    first: int
    last: int


class _Automaton(NamedTuple):
    literals: dict[str, tuple[tuple[tuple[str, ...], tuple[tuple[int, int], ...]], ...]]
    gaps: tuple[tuple[int, ...], ...]


@cache
def _automaton() -> _Automaton:
    """For each first word the literals that begin with it, longest first, and which slots of which phrases each fills."""
    slots: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    gaps: list[tuple[int, ...]] = []
    for number, (_, _, text, _) in enumerate(_PHRASES):
        reach = _DEFAULT_GAP
        reaches: list[int] = []
        for part in text.split():
            if part.startswith("~"):
                reach = int(part[1:])
                continue
            for literal in part.split("|"):
                words = tuple(word for piece in literal.split("_") for word, _ in find_words(piece))
                slots.setdefault(words, []).append((number, len(reaches)))
            reaches.append(reach)
            reach = _DEFAULT_GAP
        gaps.append(tuple(reaches))
    literals: dict[str, list[tuple[tuple[str, ...], tuple[tuple[int, int], ...]]]] = {}
    for words, places in slots.items():
        literals.setdefault(words[0], []).append((words, tuple(sorted(places, reverse=True))))
    ordered = {first: tuple(sorted(of, key=lambda one: -len(one[0]))) for first, of in literals.items()}
    return _Automaton(ordered, tuple(gaps))


def find_phrases(words: Sequence[str], among: AbstractSet[int]) -> list[Found]:
    """All phrases of those ``among`` (`likely_phrases`) in ``words``.

    A word that begins one costs as many steps as literals begin with it, whatever the text; any other next to nothing.
    """
    literals, gaps = _automaton()
    begins = frozenset[str]().union(*[_first_words_of()[phrase] for phrase in among])
    reached: dict[tuple[int, int], tuple[int, int]] = {}  # phrase and slot: first word, and last word so far
    found: list[Found] = []
    for place in [place for place, word in enumerate(words) if word in begins]:
        for literal, places in literals[words[place]]:
            last = place + len(literal) - 1
            if len(literal) > 1 and tuple(words[place : last + 1]) != literal:
                continue
            for phrase, slot in places:
                if phrase not in among:
                    continue
                first = place
                if slot:
                    before = reached.get((phrase, slot - 1))
                    if before is None or not 0 < place - before[1] <= gaps[phrase][slot] + 1:
                        continue
                    first = before[0]
                if slot + 1 < len(gaps[phrase]):
                    reached[phrase, slot] = first, last
                elif len(found) < MAX_FOUND:
                    kind, score, _, why = _PHRASES[phrase]
                    found.append(Found(kind, score, why, first, last))
    return found


_COMMON: Final = frozenset(
    """
    a an the this that all any every no not and or of in into at to for from on by with as if is are was were has
    have had what when before after above below now please must can could first do does did your you me my i it its
    new given last current list open use call run read send file address server url http https text words content
    message complete done finish finished over continue email link image say write copy show print answer request
    task notice note order orders name role identity anything original real actual
    """.split()  # noqa: SIM905 - a table
) | frozenset(":|,.;!-'")
"""What harmless texts are full of."""


@cache
def _slot_words() -> tuple[tuple[frozenset[str], ...], ...]:
    """For each phrase and slot words without which it is not filled, the rarest slot first."""
    literals, gaps = _automaton()
    slots: list[list[set[str]]] = [[set() for _ in reaches] for reaches in gaps]
    for of in literals.values():
        for literal, places in of:
            for phrase, slot in places:
                slots[phrase][slot].add(_rarest(literal))
    ordered = [sorted(phrase, key=lambda of: (len(of & _COMMON), len(of))) for phrase in slots]
    return tuple([tuple(map(frozenset, phrase)) for phrase in ordered])


@cache
def _phrases_at() -> dict[str, tuple[tuple[int, tuple[frozenset[str], ...]], ...]]:
    """For each word of a rarest slot its phrases, and the other slots of each."""
    found: dict[str, list[tuple[int, tuple[frozenset[str], ...]]]] = {}
    for phrase, (rarest, *others) in enumerate(_slot_words()):
        for word in rarest:
            found.setdefault(word, []).append((phrase, tuple(others)))
    return {word: tuple(of) for word, of in found.items()}


@cache
def _first_words_of() -> tuple[frozenset[str], ...]:
    """For each phrase the words that its literals begin with."""
    literals, gaps = _automaton()
    words: list[set[str]] = [set() for _ in gaps]
    for first, of in literals.items():
        for phrase in [phrase for _, places in of for phrase, _ in places]:
            words[phrase].add(first)
    return tuple(map(frozenset, words))


@cache
def rare_words() -> frozenset[str]:
    """The words of the rarest slots: a text without any of them has no phrase."""
    return frozenset(_phrases_at())


def likely_phrases(words: AbstractSet[str]) -> set[int]:
    """The phrases that have a word for each slot among ``words``: a text of these has no others. Most have none."""
    at = _phrases_at()
    return {
        phrase for word in words & rare_words() for phrase, others in at[word] if not any(map(words.isdisjoint, others))
    }


def _rarest(literal: tuple[str, ...]) -> str:
    return max(literal, key=lambda word: (word not in _COMMON, len(word)))


@cache
def first_words() -> frozenset[str]:
    """The words that phrases can begin with."""
    return frozenset(_automaton().literals)


@cache
def known_words() -> frozenset[str]:
    """All words of all phrases."""
    return frozenset([word for of in _automaton().literals.values() for literal, _ in of for word in literal])
