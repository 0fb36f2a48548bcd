"""The phrases that attacks on a model are known by, in eleven languages.

A phrase is a row of slots; a slot is any of some words (``_`` joins words that stand together), and ``~3`` before a
slot lets up to three other words stand between (one is the default). Words are folded as a text is, so accents are as
good as none; a word is counted as `surefoot.guard.tokens` cuts it: a character of Chinese, Japanese or Korean is one, a word
of Russian several, since those of its letters that look like Latin ones count as these.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from surefoot.guard.threats import ThreatClass

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

_Row = tuple[ThreatClass, float, str, str]

_FIRST: Final[tuple[_Row, ...]] = (
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


class _Language(NamedTuple):
    """The words that the same phrases are made of in one language; each field is a slot, or slots in a row.

    Attributes:
        name: Of the language.
        drop: Says that something no longer counts.
        rules: What that may be.
        prior: What stands beside the rules, before them or after.
        every: All, or your: with these alone it is less sure.
        role: Gives a new role.
        free: Gives a role without limits.
        show: Asks to be shown something.
        secret: What nobody is to be shown.
        keep: Wants something kept from the user.
        speak: Speaks to the model instead of the user.
        spread: How many words, as they are counted, one word is.
    """

    name: str
    drop: str
    rules: str
    prior: str
    every: str
    role: str
    free: str
    show: str
    secret: str
    keep: str
    speak: str
    spread: int = 1

    def rows(self) -> Iterator[_Row]:
        """The phrases of this language."""
        drop, every, rules, prior = self.drop, self.every, self.rules, self.prior
        for score, slots in (
            (0.9, (drop, 4, prior, 3, rules)),
            (0.9, (drop, 5, rules, 3, prior)),
            (0.75, (drop, 2, every, 2, rules)),
        ):
            yield self._row(_O, score, "tells the model to drop its instructions", *slots)
        yield self._row(_R, 0.7, "gives the model a new role", self.role)
        yield self._row(_R, 0.8, "gives the model a role without limits", self.free)
        yield self._row(_P, 0.8, "asks for the instructions of the model", self.show, 6, self.secret)
        yield self._row(_E, 0.6, "wants it kept from the user", self.keep)
        yield self._row(_F, 0.75, "speaks to the model itself", self.speak)

    def _row(self, kind: ThreatClass, score: float, why: str, *slots: str | int) -> _Row:
        """A phrase of slots with, between them, how many other words may stand there."""
        text = " ".join([slot if isinstance(slot, str) else f"~{slot * self.spread}" for slot in slots])
        return kind, score, text, f"{why} ({self.name})"


_LANGUAGES: Final = (
    _Language(
        "German",
        drop="ignoriere|ignorieren|ignorier|ignoriert|vergiss|vergiß|vergesse|vergesst|vergessen_sie|missachte|missachten|umgehe|verwirf|übergehe|überschreibe|befolge_nicht|halte_dich_nicht_an",
        rules="anweisungen|anweisung|instruktionen|instruktion|regeln|vorgaben|befehle|richtlinien|anleitungen|aufgaben|aufträge|einschränkungen|beschränkungen|vorschriften|prompt|prompts|texte",
        prior="vorherigen|vorherige|vorheriger|bisherigen|bisherige|obigen|obige|vorigen|vorige|früheren|frühere|ursprünglichen|vorangegangenen|vorhergehenden|vorangehenden|davor|zuvor|vorher|bisher",
        every="alle|alles|sämtliche|deine|ihre|jegliche",
        role="ab_jetzt|von_nun_an|ab_sofort|von_jetzt_an|ab_nun|du_bist_jetzt|du_bist_nun ~1 bist|wirst|antwortest|agierst|handelst|verhältst|ein|eine|der|die|kein|keine|frei ~1 du|sie|ki|assistent|hacker|pirat|modell|mehr|rolle|bot",
        free="du|agiere|antworte|verhalte|handle|spiele|simuliere ~8 ohne_einschränkungen|ohne_jegliche_einschränkungen|ohne_beschränkungen|ohne_grenzen|ohne_filter|ohne_regeln|ohne_zensur|uneingeschränkte|unzensierte|unzensiert|keine_regeln|keine_einschränkungen",
        show="zeige|zeig|zeigen|verrate|verraten|nenne|nennen|gib|geben|drucke|wiederhole|wiederholen|offenbare|schreibe|schreib|sage|sag|teile|übersetze|kopiere|lautet|lauten|liste",
        secret="system_prompt|systemprompt|system_-_prompt|systemnachricht|systemanweisungen|systemanweisung|anfangsanweisungen|ursprünglichen_anweisungen|geheimen_anweisungen|versteckten_anweisungen|internen_anweisungen|deine_anweisungen|deine_anweisung|deine_instruktionen|deinen_prompt|dein_prompt|dein_erster_prompt|prompt_text|prompttext|obigen_text|text_oben|deine_regeln",
        keep="ohne|sag|sage|erzähle|verrate|informiere ~3 nutzer|benutzer|benutzerin|nutzerin|anwender ~3 informieren|fragen|benachrichtigen|mitzuteilen|sagen|nichts|nicht|davon",
        speak="wenn|falls|als|achtung|hinweis|nachricht|anweisung|liebe|lieber ~3 ki|sprachmodell|llm|chatbot|ki_-_assistent|ki_-_agent|ki_-_modell ~5 bist|sind|dies|das|musst|sollst|bitte|sende|ignoriere|:|!",
    ),
    _Language(
        "French",
        drop="ignore|ignorez|ignorer|oublie|oubliez|oublier|néglige|négligez|contourne|contournez|outrepasse|outrepassez|ne_tiens_pas_compte|ne_tenez_pas_compte|fais_abstraction|faites_abstraction|ne_suis_pas|ne_suivez_pas|désobéis",
        rules="instructions|instruction|consignes|consigne|règles|règle|directives|ordres|commandes|restrictions|limites|contraintes|prompt|indications",
        prior="précédentes|précédente|précédents|antérieures|antérieurs|ci_-_dessus|initiales|d_'_origine|au_-_dessus|données|reçues|avant|système|préalables",
        every="toutes|tous|toute|tes|vos|ces",
        role="à_partir_de_maintenant|désormais|dorénavant|dès_maintenant|à_présent ~2 tu|vous ~1 es|êtes|agis|agissez|répondras|répondrez|joues|jouez|incarnes",
        free="tu|vous|agis|agissez|réponds|répondez|comporte|comportez|joue|simule ~8 sans_restriction|sans_restrictions|sans_aucune_restriction|sans_limite|sans_limites|sans_aucune_limite|sans_filtre|sans_filtres|sans_censure|sans_règles|sans_aucune_règle",
        show="révèle|révélez|révèle_-_moi|affiche|affichez|montre|montrez|montre_-_moi|répète|répétez|imprime|donne|donne_-_moi|donnez|dis|dis_-_moi|divulgue|traduis|copie|écris|quelles_sont|quel_est",
        secret="prompt_système|prompt_du_système|invite_système|message_système|instructions_système|instructions_du_système|instructions_initiales|instructions_cachées|instructions_secrètes|consignes_initiales|consignes_secrètes|tes_instructions|vos_instructions|tes_consignes|vos_consignes|texte_ci_-_dessus|prompt_initial|ton_prompt|votre_prompt|tes_règles",
        keep="sans|ne ~3 informer|prévenir|avertir|demander|dire|dis|dites|révèle|révélez|mentionne|mentionnez|informe|informez|parle|parlez|préviens ~5 utilisateur|utilisatrice|usager|l_'_utilisateur",
        speak="si|quand|attention|note|message|cher|chère|en_tant_qu ~4 ia|llm|chatbot|modèle_de_langage|agent_ia|assistant_ia ~5 es|êtes|dois|devez|doit|ignore|envoie|envoyez|:|!",
    ),
    _Language(
        "Spanish",
        drop="ignora|ignore|ignorar|ignorad|ignoren|olvida|olvide|olvidar|olvídate|olvídese|olviden|descarta|descarte|desobedece|omite|omita|haz_caso_omiso|haga_caso_omiso|no_sigas|no_hagas_caso|pasa_por_alto|anula|sáltate",
        rules="instrucciones|instrucción|reglas|órdenes|directrices|indicaciones|normas|restricciones|comandos|prompt|pautas|directivas|limitaciones",
        prior="anteriores|anterior|previas|previos|previa|de_arriba|iniciales|originales|recibidas|del_sistema|precedentes|hasta_ahora|antes",
        every="todas|todos|toda|tus|sus|estas",
        role="a_partir_de_ahora|desde_ahora|de_ahora_en_adelante|a_partir_de_este_momento ~2 eres|serás|actúa|actúas|actuarás|responderás|responde|te|tú|fingirás",
        free="actúa|actúe|eres|responde|responda|compórtate|finge|simula ~8 sin_restricciones|sin_ninguna_restricción|sin_límites|sin_ningún_límite|sin_filtros|sin_filtro|sin_censura|sin_reglas|sin_ninguna_regla",
        show="muestra|muéstrame|muestre|revela|revélame|revele|imprime|imprima|repite|repita|dime|dame|escribe|escriba|enseña|enséñame|divulga|traduce|copia|cuáles_son|cuál_es",
        secret="prompt_del_sistema|prompt_de_sistema|mensaje_del_sistema|mensaje_de_sistema|instrucciones_del_sistema|instrucciones_de_sistema|instrucciones_iniciales|instrucciones_ocultas|instrucciones_secretas|instrucciones_internas|tus_instrucciones|sus_instrucciones|tu_prompt|prompt_inicial|texto_anterior|texto_de_arriba|tus_reglas",
        keep="sin|no ~3 informar|informarle|avisar|decir|decirle|decírselo|preguntar|notificar|digas|informes|menciones|reveles|avises|cuentes|notifiques ~4 usuario|usuaria|al_usuario",
        speak="si|cuando|atención|nota|mensaje|querido|estimado|como ~4 ia|llm|chatbot|modelo_de_lenguaje|agente_de_ia|asistente_de_ia ~5 eres|es|debes|debe|tienes|ignora|envía|envíe|:|!",
    ),
    _Language(
        "Portuguese",
        drop="ignore|ignora|ignorar|ignorem|esqueça|esquece|esquecer|esqueçam|desconsidere|desconsidera|desconsiderar|descarte|desobedeça|contorne|não_siga|não_obedeça",
        rules="instruções|instrução|regras|ordens|diretrizes|orientações|comandos|restrições|prompt|limitações|indicações",
        prior="anteriores|anterior|prévias|prévia|acima|iniciais|originais|recebidas|do_sistema|precedentes|dadas|antes|até_agora",
        every="todas|todos|toda|suas|tuas|essas|estas",
        role="a_partir_de_agora|de_agora_em_diante|doravante|desde_agora ~2 você|tu|voce ~1 é|será|age|agirá|agirás|és|responderá|atua|atuará|vai",
        free="aja|finja|atue|responda|você_é|comporte|simule|aja_como ~8 sem_restrições|sem_nenhuma_restrição|sem_quaisquer_restrições|sem_limites|sem_filtros|sem_filtro|sem_censura|sem_regras",
        show="mostre|mostra|mostre_-_me|revele|revela|imprima|repita|repete|diga|diga_-_me|me_diga|escreva|exiba|divulgue|traduza|copie|quais_são|qual_é",
        secret="prompt_do_sistema|prompt_de_sistema|mensagem_do_sistema|mensagem_de_sistema|instruções_do_sistema|instruções_iniciais|instruções_ocultas|instruções_secretas|instruções_internas|suas_instruções|tuas_instruções|seu_prompt|teu_prompt|prompt_inicial|texto_acima|suas_regras",
        keep="sem|não ~3 informar|avisar|dizer|perguntar|notificar|contar|diga|informe|mencione|revele|avise|conte|notifique ~4 usuário|usuária|utilizador",
        speak="se|quando|atenção|nota|mensagem|caro|prezado|como ~4 ia|llm|chatbot|modelo_de_linguagem|agente_de_ia|assistente_de_ia ~5 é|for|deve|precisa|ignore|envie|:|!",
    ),
    _Language(
        "Italian",
        drop="ignora|ignorare|ignorate|ignori|dimentica|dimenticare|dimenticate|dimenticati|trascura|scarta|aggira|disobbedisci|non_seguire|non_tenere_conto|non_considerare",
        rules="istruzioni|istruzione|regole|direttive|ordini|indicazioni|comandi|restrizioni|prompt|limitazioni|linee_guida",
        prior="precedenti|precedente|di_prima|sopra|iniziali|originali|ricevute|del_sistema|antecedenti|date_finora|finora",
        every="tutte|tutti|tutta|tue|queste",
        role="d_'_ora_in_poi|da_ora_in_poi|da_adesso_in_poi|da_questo_momento|da_ora_in_avanti ~2 sei|sarai|agisci|agirai|rispondi|risponderai|comportati|tu",
        free="agisci|rispondi|comportati|sei|fingi|simula ~8 senza_restrizioni|senza_alcuna_restrizione|senza_limiti|senza_filtri|senza_censura|senza_regole",
        show="mostra|mostrami|rivela|rivelami|stampa|ripeti|dimmi|dammi|scrivi|divulga|traduci|copia|quali_sono|qual_è",
        secret="prompt_di_sistema|prompt_del_sistema|messaggio_di_sistema|istruzioni_di_sistema|istruzioni_del_sistema|istruzioni_iniziali|istruzioni_nascoste|istruzioni_segrete|istruzioni_interne|tue_istruzioni|tuo_prompt|prompt_iniziale|testo_sopra|testo_precedente|tue_regole",
        keep="senza|non ~3 informare|avvisare|avvertire|dire|dirlo|chiedere|menzionare|rivelare|notificare ~4 utente|l_'_utente|all_'_utente",
        speak="se|quando|attenzione|nota|messaggio|caro|come ~4 ia|llm|chatbot|modello_linguistico|agente_ia|assistente_ia|intelligenza_artificiale ~5 sei|devi|deve|ignora|invia|:|!",
    ),
    _Language(
        "Russian",
        drop="игнорируй|игнорируйте|игнорировать|проигнорируй|проигнорируйте|забудь|забудьте|отбрось|не_следуй|не_обращай_внимания|не_соблюдай",
        rules="инструкции|инструкций|указания|указаний|правила|правил|команды|команд|ограничения|ограничений|промпт|установки",
        prior="предыдущие|предыдущих|прошлые|вышеуказанные|прежние|прежних|предшествующие|изначальные|системные|полученные|выше|ранее",
        every="все|всё|твои|свои|ваши",
        role="с_этого_момента|с_этой_минуты|отныне ~3 ты|вы ~3 не|будешь|действуешь|отвечаешь|должен|играешь",
        free="ты|действуй|отвечай|веди_себя|притворись ~30 без_ограничений|без_каких_-_либо_ограничений|без_правил|без_цензуры|без_фильтров",
        show="покажи|покажите|выведи|выведите|раскрой|раскройте|повтори|повторите|напиши|напишите|скажи|назови|переведи",
        secret="системный_промпт|системное_сообщение|системные_инструкции|системную_подсказку|свои_инструкции|твои_инструкции|начальные_инструкции|изначальные_инструкции|скрытые_инструкции|секретные_инструкции|текст_выше",
        keep="не_говори|не_говорите|не_сообщай|не_сообщайте|не_рассказывай|не_упоминай|не_спрашивая|не_уведомляя ~8 пользователю|пользователя",
        speak="если|внимание|сообщение|инструкция|уважаемый ~10 ии|нейросеть|языковая_модель|llm|чат_-_бот ~20 то|должен|должна|игнорируй|отправь|:|!",
        spread=5,
    ),
)  # fmt: skip
_JAPANESE: Final[tuple[_Row, ...]] = (
    (_O, 0.9, "以前|前|上記|これまで|今まで|先程|先ほど|すべて|全て|あなた|元 ~8 指示|命令|ルール|規則|制約|プロンプト|設定|制限|指令 ~8 無視|忘れて|忘れろ|忘れなさい|忘れ、|従わない|従わず|破棄|無効", "tells the model to drop its instructions (Japanese)"),
    (_R, 0.8, "あなた|君|お前 ~14 制限のない|制限なし|無制限|制約のない|制約なし|何でもできる|何の制限も", "gives the model a role without limits (Japanese)"),
    (_P, 0.8, "システムプロンプト|システムメッセージ|隠された指示|内部指示|初期指示|最初の指示|元の指示|初期設定の指示 ~14 教えて|表示|見せて|出力|開示|繰り返し|書いて|明かし|翻訳", "asks for the instructions of the model (Japanese)"),
    (_E, 0.6, "ユーザー|ユーザ|利用者 ~6 言わない|言わず|伝えない|伝えず|知らせない|知らせず|教えない|内緒|秘密に", "wants it kept from the user (Japanese)"),
    (_F, 0.75, "もし|この文|注意|重要 ~12 ai|aiアシスタント|言語モデル|チャットボット|llm ~14 なら|場合|ください|下さい|しなさい|:", "speaks to the model itself (Japanese)"),
)  # fmt: skip
_KOREAN: Final[tuple[_Row, ...]] = (
    (_O, 0.9, "이전|앞의|앞선|위의|지금까지|기존|모든|원래|너의|당신의 ~8 지시|명령|규칙|지침|프롬프트|제한 ~5 무시|잊어|잊으|따르지|무효|버려|버리", "tells the model to drop its instructions (Korean)"),
    (_R, 0.8, "너는|당신은|넌 ~14 제한없는|제한_없는|제한이_없는|무제한|규칙_없는|규칙이_없는|검열_없는|검열되지", "gives the model a role without limits (Korean)"),
    (_P, 0.8, "시스템_프롬프트|시스템_메시지|숨겨진_지시|숨겨진_프롬프트|초기_지시|내부_지침|내부_규칙|원래_지시 ~14 보여|알려|출력|공개|말해|적어|반복|번역", "asks for the instructions of the model (Korean)"),
    (_E, 0.6, "사용자에게|사용자한테|유저에게|이용자에게 ~6 말하지|알리지|언급하지|비밀로|비밀이야|숨겨", "wants it kept from the user (Korean)"),
    (_F, 0.75, "만약|당신이|주의|중요 ~10 ai|언어_모델|챗봇|llm|인공지능 ~14 라면|이면|해라|하세요|하십시오|:", "speaks to the model itself (Korean)"),
)  # fmt: skip

PHRASES: Final = (*_FIRST, *[row for language in _LANGUAGES for row in language.rows()], *_JAPANESE, *_KOREAN)
"""Of each phrase its class, its score, its slots and what it does."""
DISGUISED: Final = len(_FIRST)
"""So many of them, from the first on, are looked for in other readings as well: spelt with digits, backwards, in
pieces. With the words of all languages every tenth harmless text would be read in other ways."""
