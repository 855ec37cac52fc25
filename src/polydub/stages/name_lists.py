"""Words that names are known by, and words that only look like names; made for this package."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GIVEN_NAMES = _words(
    """
    Aaron Abby Adam Adele Adrian Agnes Alan Albert Alex Alexander Alfred Alice Alicia Alison
    Amanda Amber Amelia Amy Andrea Andrew Andy Angela Anita Ann Anna Anne Annie Anthony Antonio
    Arthur Ashley Audrey Barbara Barry Beatrice Becky Ben Benjamin Bernard Beth Betty Bill Billy
    Bob Bobby Brad Brandon Brenda Brian Bruce Bryan Caleb Camille Carl Carla Carlos Carmen Carol
    Caroline Catherine Cathy Charles Charlie Charlotte Chloe Chris Christian Christina Christine
    Christopher Cindy Claire Clara Claude Colin Connor Craig Cynthia Daisy Dan Daniel Danny Dave
    David Dean Deborah Denise Dennis Diana Diane Diego Dick Donald Donna Doris Dorothy Doug
    Douglas Dylan Ed Eddie Edgar Edith Edward Eileen Elaine Eleanor Elena Elizabeth Ella Ellen
    Emily Emma Eric Erica Ernest Ethan Eugene Eva Evelyn Felix Fernando Fiona Florence Frances
    Francis Frank Fred George Gerald Gina Gloria Gordon Graham Greg Hannah Harold Harriet Harry
    Heather Helen Henry Howard Hugh Hugo Ian Irene Isabel Isabella Jack Jackie Jacob Jacques James
    Jamie Jane Janet Jason Javier Jean Jeff Jennifer Jenny Jeremy Jerry Jesse Jessica Jill Jim
    Jimmy Joan Joe John Johnny Jonathan Jorge Joseph Joshua Juan Judith Judy Julia Julian Julie
    Justin Karen Karl Kate Katherine Kathy Katie Keith Kelly Ken Kenneth Kevin Kim Kyle Larry
    Laura Lauren Laurent Lawrence Leo Leon Leonard Linda Lisa Louis Louise Lucas Lucy Luis Luke
    Lydia Lynn Madison Manuel Marc Marcus Margaret Maria Marie Marilyn Mario Martha Martin Mary
    Matt Matthew Maureen Max Maxime Megan Melanie Melissa Michael Michelle Miguel Mike Molly
    Monica Nancy Natalie Nathalie Nathan Neil Nicholas Nick Nicole Nina Noah Nora Norman Oliver
    Olivia Oscar Owen Pablo Pamela Patricia Patrick Paul Paula Pedro Peggy Peter Phil Philip
    Philippe Phoebe Pierre Rachel Ralph Raymond Rebecca Richard Rick Rita Robert Roberta Roger Ron
    Ronald Rosa Rosie Roy Russell Ruth Ryan Sally Sam Samantha Samuel Sandra Sara Sarah Scott Sean
    Sergio Sharon Sheila Shirley Simon Sofia Sophia Sophie Stanley Stella Stephanie Stephen Steve
    Steven Stuart Sue Susan Suzanne Sylvia Ted Teresa Terry Theresa Thomas Tim Timothy Tina Toby
    Todd Tom Tommy Tony Tracy Valerie Vera Veronica Victor Victoria Vincent Virginia Walter Wanda
    Wendy William Yvonne Zoe Álvaro Ana Andrés Ángel Camila Claudia Cristina Daniela Emilio
    Esteban Felipe Francisco Gabriel Gabriela Gonzalo Guillermo Héctor Ignacio Inés Jaime Javi
    Jesús Joaquín José Josefa Julio Lucía Lola Manolo Mateo Mercedes Nuria Paco Pepe Pilar Rafael
    Ramón Raquel Raúl Ricardo Roberto Rodrigo Rosario Salvador Santiago Silvia Tomás Valentina
    Vicente Ximena Amélie Antoine Aurélie Benoît Brigitte Cécile Chantal Clément Delphine Denis
    Édouard Élise Émile Étienne Fabien François Françoise Frédéric Geneviève Gérard Gilles
    Guillaume Hélène Henri Isabelle Jeanne Jérôme Julien Léa Lucie Mathieu Michel Mireille Monique
    Nicolas Noémie Olivier Pascal Quentin René Sébastien Sylvie Théo Thierry Valérie Véronique
    Xavier Yves
    """
)
"""Given names that are common in English, Spanish and French films."""

UNNAMES = _words(
    """
    i i'm i'll i've i'd god lord jesus christ sir madam ma'am miss mister mr mrs ms dr doctor
    captain officer sergeant general major judge father mother mom mum mommy mummy dad daddy papa
    mama grandma grandpa granny uncle aunt auntie son sis bro brother sister honey darling dear
    sweetheart baby love man men guys folks boys girls gentlemen ladies everybody everyone buddy
    pal mate dude boss coach professor majesty highness yes no yeah yep nope okay ok well now then
    here there oh ah hey hi hello bye goodbye please thanks thank sorry right sure fine good great
    look listen see wait stop come go what who where when why how which whose really actually
    honestly maybe perhaps anyway besides finally first second third next today tomorrow yesterday
    tonight monday tuesday wednesday thursday friday saturday sunday january february march april
    may june july august september october november december christmas easter english french
    spanish chinese german italian american british russian japanese mexican irish scottish
    canadian african european catholic christian jewish muslim buddhist america england france
    spain china germany italy russia london paris madrid york earth heaven hell señor señora
    señorita don doña papá mamá abuela abuelo hijo hija hermano hermana cariño amor dios sí bueno
    vale claro oye mira gracias hola adiós perdón español inglés francés chino monsieur madame
    mademoiselle maman chéri chérie mon ma oui non bon alors merci bonjour salut désolé pardon
    dieu français anglais espagnol chinois excuse voyons
    """
)
"""Lower-case words that stand where names stand, or are written like names, and are none."""

KIN = _words(
    """
    brother sister friend friends husband wife son daughter mother father mom dad uncle aunt
    cousin boss boyfriend girlfriend fiancé fiancée partner colleague neighbor neighbour teacher
    dog cat named called and or hermano hermana amigo amiga marido mujer esposa esposo hijo hija
    madre padre tío tía primo prima jefe novio novia llamado llamada y o frère sœur ami amie mari
    femme fils fille mère père oncle tante cousin cousine patron copain copine nommé nommée et ou
    """
)
"""Words behind whose comma a name only explains who is meant: "my brother, Tom." """

OPENERS = (
    *("hey", "hi", "hello", "oh", "no", "yes", "well", "okay", "look", "listen", "please", "sorry"),
    *("thanks", "thank you", "good morning", "good evening", "good night", "goodbye", "come on"),
    *("wait", "hola", "oye", "mira", "por favor", "gracias", "buenos días", "adiós", "sí", "ay"),
    *("alors", "bueno", "so", "salut", "bonjour", "merci", "écoute", "attends", "non", "oui"),
)
"""What is said before the name of whom one calls; lower case."""

INTRODUCTIONS: dict[str, tuple[str, ...]] = {
    "en": ("I['’]m", "I am", "my name is", "my name['’]s", "call me", "^this is"),
    "es": ("me llamo", "mi nombre es", "soy", "llámame"),
    "fr": ("je m['’]appelle", "mon nom est", "je suis", "moi,? c['’]est", "appelle-moi"),
    "de": ("ich heiße", "mein Name ist"),
    "it": ("mi chiamo", "il mio nome è", "sono"),
    "pt": ("me chamo", "o meu nome é", "meu nome é", "sou"),
}
"""Phrases by language behind which one's own name comes; regular expressions."""

SURNAMES_ZH = (
    *("欧阳", "司马", "诸葛", "上官", "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴"),
    *("徐", "孙", "胡", "朱", "高", "林", "何", "郭", "马", "罗", "梁", "宋", "郑", "谢", "韩"),
    *("唐", "冯", "于", "董", "萧", "程", "曹", "袁", "邓", "许", "傅", "沈", "曾", "彭", "吕"),
    *("苏", "卢", "蒋", "蔡", "贾", "丁", "魏", "薛", "叶", "阎", "余", "潘", "杜", "戴", "夏"),
    *("钟", "汪", "田", "任", "姜", "范", "方", "石", "姚", "谭", "廖", "邹", "熊", "金", "陆"),
    *("郝", "孔", "白", "崔", "康", "毛", "邱", "秦", "江", "史", "顾", "侯", "邵", "孟", "龙"),
)
"""The most common Chinese family names, the longest first."""

UNNAMES_ZH = _words(
    """
    高兴 马上 白天 金子 方便 方法 何必 何况 何时 何人 何事 任何 任务 石头 江湖 江山 田地 田里 夏天
    钟头 康复 史上 龙王 王后 王爷 王上 王子 于是 余下 老天 老爷 老板 老师 老公 老婆 老大 老实 小心
    小时 小姐 小孩 小子 小说 小人 小声 小弟 小妹 阿姨 阿弥 许多 许久 程度 曾经 白痴 白费 高手 周围
    周末 周一 周二 周三 周四 周五 周六 周日 江南 江边 马车 马路 金钱 方才 孔子 孟子
    """
)
"""Words that begin with a family name, or like a pet name, and are neither."""
