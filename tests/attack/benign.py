"""Arguments of honest calls, in many languages: written by hand, and put together of what is written here.

Among them is what rules like to refuse: apostrophes, percents, colons, dots. These calls are not recorded from users, and three
rules (a dot at the end of a folder, a question mark in a name, "group by") were loosened after they had refused some of them.
"""

import itertools
import random

NAMES = """
Nguyễn Văn An|Trần Thị Bích Ngọc|Lê Hoàng Phúc|Phạm Đức Thịnh|Đặng Thùy Trâm|王小明|李娜|张伟|欧阳娜娜|陳大文|林志玲|山田太郎|佐藤花子|高橋 健|김민준|박서연|이도윤|
José García Márquez|María-José Núñez|Zoë Müller|Jürgen Groß|Björk Guðmundsdóttir|Søren Kierkegaard|Łukasz Żółkiewski|Dvořák Čeněk|İbrahim Çelik|Ayşe Yılmaz|
Иван Петров|Наталья Ковалёва|Олександр Шевченко|Ελένη Παπαδοπούλου|Γιώργος Νικολάου|محمد علي|فاطمة الزهراء|علی‌رضا محمدی|نرگس کریمی|दीपक शर्मा|प्रिया सिंह|
สมชาย ใจดี|ณัฐพล วงศ์สวัสดิ์|தமிழ் செல்வன்|אברהם כהן|רחל לוי|Dan O'Brien|Mary-Anne D'Souza|John Smith Jr.|Dr. Anna Schmidt|Jean-Luc Picard|Nkechi Okonkwo|Thandiwe Mbeki|
O’Connor, Sinéad|van der Berg, Pieter|Mac Lochlainn|Siobhán Ní Bhriain|Ana Sofía de la Cruz|Jón Þórsson|Ōe Kenzaburō|Đỗ Mỹ Linh|გიორგი მაისურაძე|Արամ Խաչատրյան
""".replace("\n", "").split("|")

STEMS = """
invoice|report final|Q3 budget|meeting notes|resume|photo 2024-05-01|IMG_20240501_103000|contract (signed)|README|main|index|test_parser|package-lock|dữ liệu|hợp đồng thuê nhà|
báo cáo tháng 5|发票|年度报告：最终版|会议记录 2024|履歴書|見積書（改訂）|견적서|회의록|отчёт|договор №15|résumé|café menu|Übersicht|plan d'affaires|l'été à Nîmes|año nuevo|ملاحظات|
گزارش می‌شود|रिपोर्ट|รายงาน|σημειώσεις|draft_v2.1|a+b=c|R&D costs|#1 priorities|50% off sale|sales, north & south|[2024] minutes|{draft} memo|he said it's fine|what is this?|to be continued…|backup 10:30|
1. Introduction|Chapter 12 - The End|data.2024.05|archive.tar|foo-bar_baz|x|Final final v3|Screenshot 2024-05-01 at 10.30.00|🎉 party plan|👩‍💻 onboarding|price list €|temp 20°C|½ cup recipe
""".replace("\n", "").split("|")
ENDS = [
    ".pdf",
    ".txt",
    ".docx",
    ".xlsx",
    ".png",
    ".jpeg",
    ".py",
    ".md",
    ".csv",
    ".json",
    ".tar.gz",
    ".ts",
    "",
    ".log",
    ".PDF",
]
FOLDERS = """
2024/05|docs|src/app|customers/ACME Corp|Khách hàng/Hà Nội|客户/北京|データ|Документы|projects/alpha-beta|users/anna.schmidt|Acme Inc./2024|a/b/c/d/e|Trung tâm/Phòng 3|my documents|v1.2.3|exports|
photos/2023 Summer|inbox|templates|node_modules/@types/node|lib/python3.11/site-packages
""".replace("\n", "").split("|")

HOSTS = """
example.com|www.example.org|api.github.com|docs.python.org|en.wikipedia.org|vi.wikipedia.org|zh.wikipedia.org|vnexpress.net|tuoitre.vn|www.baidu.com|www.gov.uk|bücher.example|münchen.de|
пример.рф|例え.jp|中文网.中国|español.example|thai.go.th|xn--mnchen-3ya.de|s3.eu-central-1.amazonaws.com|my-bucket.s3.amazonaws.com|a.b.c.d.example.co.uk|news.ycombinator.com|
maps.google.com|stackoverflow.com|shop.example.com.vn|123.example.com|4chan.org|1.1.1.1|8.8.8.8|[2606:4700:4700::1111]|static_assets.example.com|hà-nội.example|ελλάδα.example|قطر.example
""".replace("\n", "").split("|")
TARGETS = """
|/|/index.html|/wiki/Hồ_Chí_Minh|/wiki/Albert_Einstein|/wiki/%E5%8C%97%E4%BA%AC|/search?q=hello+world|/search?q=h%C3%B4m%20nay&lang=vi|/a/b/c?x=1&y=2#section-3|/@anna/post-1|
/file%20name.pdf|/products/café-au-lait|/item?id=4711&ref=mail@example.com|/path;v=1/x|/api/v1/orders/4711/items|/questions/12345/how-do-i-x|/maps?q=21.0285,105.8542|/~user/page|
/2024/05/01/what's-new|/a_(disambiguation)|/watch?v=dQw4w9WgXcQ&t=42s|/q?filter[name]=x|/text?body=line%0Aline|/callback?url=https%3A%2F%2Fexample.com%2F|/dir/../page|/50%25-off|/新闻/今天|/x?a=1&a=2&b=
""".replace("\n", "").split("|")

WORDS = """
main.py|src/app/models.py|feature/login-page|v1.2.3|HEAD|origin/main|nginx:1.25-alpine|user@host.example.com|key=value|PATH|10.5|2024-05-01|2024-05-01T10:30:00+02:00|build_all|a,b,c|
100%|Nguyễn|Việt-Nam|北京|файл.txt|देवनागरी|ไทย|rapport_été.pdf|localhost:8080|https://example.com/a/b|./run.sh|lib/x.so.1|@types/node|x86_64-linux-gnu|3.14|C++|gcc-13|
sha256:9f86d081884c7d65|requirements.txt|docker.io/library/python:3.11|+x|0755|1e-9|s3://bucket/key|refs/heads/main|김민준|İstanbul|한글.txt|Ωmega|naïve|team/order-service|us-east-1|user_name
""".replace("\n", "").split("|")

PROSE = """
Please send the report by Friday.|Where is order 4711?|It's 50% off today, isn't it?|Call me at +84 24 3825 1234 (office).|We met on 2024-05-01 at 10:30.|Price: €12.50 / $13.40|5 < 7 and 7 > 5|
Rock & roll, R&D, AT&T|Use item(s) 1, 2 and 3.|My e-mail is anna@example.com.|See https://example.com/help?topic=returns for details.|1 + 1 = 2|Tom & Jerry's "big" day|The file is in /srv/data.|
Xin chào, đơn hàng của tôi đâu?|Tôi muốn đổi vé từ Hà Nội đi Đà Nẵng.|Giảm giá 20% cho khách hàng thân thiết!|请问我的订单在哪里？|会议改到下午三点（周五）。|价格：￥99.00|ご注文ありがとうございます。|明日の会議は10時からです。|
주문 상태를 알려 주세요.|회의는 오후 3시에 시작합니다.|Где мой заказ?|Счёт № 15 от 01.05.2024|¿Dónde está mi pedido?|L'été prochain, nous irons à Nîmes.|Können Sie mir bitte helfen?|Πού είναι η παραγγελία μου;|
أين طلبي رقم ٤٧١١؟|سفارش من کجاست؟ می‌خواهم بدانم.|मेरा ऑर्डर कहाँ है?|คำสั่งซื้อของฉันอยู่ที่ไหน|איפה ההזמנה שלי?|Siparişim nerede?|Gdzie jest moje zamówienie?|Great 👍 thanks! 🎉|👩‍💻 at work 🇻🇳|I ❤️ it|
Re: Fwd: minutes [draft]|#urgent @anna please check|Step 1: open; step 2: close.|a = b, c = d|f(x) = 2x + 1|Dear Sir or Madam,|She said: "no".|Total (net): 1,234.56|- one; - two|C:\\Users is a folder|
Use the print() function in Python|the JavaScript course begins on Monday|select a union representative|drop the table off at the office|create a view of the sea|50/50|~10 km|* important *|100°C, ½ cup, x² + y²|Mr. & Mrs. O'Neill|
{name} is a placeholder|the data: see below|on time = good|"quoted"|it costs <5 euros|temp > 30|see [1] and [2]|$5 for 2|a|…and so on|– em dash – here|‘single’ and “double” quotes|to-do list for the week|system requirements (2024)
""".replace("\n", "").split("|")

QUERIES = """
red shoes size 42|Nguyễn Văn An|hợp đồng thuê nhà|北京 酒店|café near me|how to bake bread?|iPhone 15 Pro, 256 GB|order 4711|anna.schmidt|O’Brien|laptop under 1.000 euros|2024-05-01|50% off|
rice and beans|cats or dogs|Müller, Jürgen|Москва погода|東京 天気|서울 맛집|¿dónde comer?|50-60 cm|size M/L|nike air max 90|select committee|union members|table and chairs|drop in centre|group by the lake|
not now|delete button broken|user manual|update for windows|grand union canal|St. John!|insert coin|where to eat|10:30 train|Tom, Dick and Harry|Hà Nội – Đà Nẵng|ống nước 1/2 inch|AC/DC live|price: low to high
""".replace("\n", "").split("|")

IDENTIFIERS = """
4711|order-4711|A1B2|user_17|anna.schmidt|550e8400-e29b-41d4-a716-446655440000|INV-2024-0001|main|feature-login|v1.2.3|us-east-1|en|vi-VN|a|x86-64|SKU.123.456|2024-05-01|python3.11|deadbeef|
ticket-99|team-a|customer_42|DE89370400440532013000|BAHN123|gpt-4.1|claude-sonnet-4.5|node18|prod|staging-2|0001|R2D2|B-52|utf-8|iso8859-1|cus-NffrFeUfNV2Hib|ch3MmlLrLkdIwHu7ix0snN0B15|pi.3.14
""".replace("\n", "").split("|")
COLUMNS = [
    "id",
    "user_id",
    "orders",
    "public.orders",
    "sales.orders.total",
    "created_at",
    "t1",
    "_tmp",
    "Name",
    "orderItems",
    "is_active",
    "users",
    "address_line2",
    "year_2024",
    "order_id",
    "table_name",
    "groups",
    "selection",
    "desc_text",
]
LOCALS = [
    "anna",
    "anna.schmidt",
    "a.b.c",
    "user+tag",
    "info",
    "o'brien",
    "first_last",
    "x",
    "sales-team",
    "nguyen.van.an",
    "no-reply",
    "1234567",
    "J.Doe",
    "support",
    "hello.world+test",
]
DOMAINS = [
    "example.com",
    "example.co.uk",
    "mail.example.org",
    "gmail.com",
    "viettel.com.vn",
    "uni-münchen.de",
    "xn--mnchen-3ya.de",
    "a-b.example",
    "sub.domain.example.net",
    "163.com",
    "3m.com",
    "qq.com",
]


def paths(chance):
    for stem, end in itertools.product(STEMS, ENDS):
        if chance.random() < 0.5:
            folder = chance.choice([*FOLDERS, ""])
            yield f"{folder}/{stem}{end}" if folder else f"{stem}{end}"
    for name, end in zip(NAMES, itertools.cycle(ENDS), strict=False):
        yield f"people/{name}{end}"
    for folder in FOLDERS:
        yield from (folder, f"{folder}/", f"/srv/files/{folder}/x.txt", f"./{folder}")


def urls(chance):
    for host, target in itertools.product(HOSTS, TARGETS):
        if chance.random() < 0.55:
            port = chance.choice(["", "", "", "", ":443", ":8080"])
            yield f"{chance.choice(['https', 'https', 'http', 'HTTPS'])}://{host}{port}{target}"


def benign():
    """Kind and text of each call, the same every time."""
    chance = random.Random(4711)
    made = {
        "path": paths(chance),
        "url": urls(chance),
        "redirect": (f"https://{host}{target}" for host in ("example.com", "target.com") for target in TARGETS),
        "shell": WORDS,
        "sql": QUERIES,
        "template": [*PROSE, *NAMES],
        "directory": IDENTIFIERS,
        "column": COLUMNS,
        "email": (f"{local}@{domain}" for local in LOCALS for domain in DOMAINS),
    }
    prose = [f"{one} {other}" for one, other in zip(PROSE, chance.sample(PROSE, len(PROSE)), strict=True)]
    greetings = [
        f"{greeting} {name}{end}"
        for name in NAMES
        for greeting, end in (("Hello", "!"), ("Xin chào", ","), ("Re: meeting with", " (10:30)"))
    ]
    made["template"] = [*made["template"], *prose, *greetings]
    made["sql"] = [
        *QUERIES,
        *(f"{query} {word}" for query, word in zip(QUERIES, chance.sample(QUERIES, len(QUERIES)), strict=True)),
    ]
    made["sql"] += [name for name in NAMES if "'" not in name]
    return [(kind, text) for kind, texts in made.items() for text in dict.fromkeys(texts)]
