"""What invented people say: little exchanges per language, backchannels, and narration.

All sentences are made up for this package. An exchange is a remark and its answer, so that the text
of a conversation tells something about who speaks, as it does in films.
"""

from __future__ import annotations

from dataclasses import dataclass

Exchange = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Texts:
    """Sentences of one language: ``exchanges`` (remark, answer), ``backchannels``, ``narration``.

    ``letters_per_second`` turns letters into seconds before anything is spoken.
    """

    exchanges: tuple[Exchange, ...]
    backchannels: tuple[str, ...]
    narration: tuple[str, ...]
    letters_per_second: float = 13.0

    def seconds(self, text: str) -> float:
        """About how long ``text`` takes to say."""
        return 0.25 + sum(c.isalnum() for c in text) / self.letters_per_second


ENGLISH = Texts(
    exchanges=(
        ("Did you lock the back door?", "I thought you had the key."),
        ("Where were you last night?", "At the library. They stay open until ten on Fridays."),
        ("Can I borrow your car tomorrow?", "Only if you fill up the tank this time."),
        ("What time does the train leave?", "At a quarter past six, from platform nine."),
        ("I can't find my glasses anywhere.", "They are on your head, as always."),
        ("Have you read the report?", "Twice. And I still don't understand the numbers."),
        ("This soup tastes strange.", "I ran out of salt, so I used soy sauce."),
        ("Who is that man by the window?", "I have never seen him before in my life."),
        ("We should leave before it gets dark.", "Give me five minutes to find my boots."),
        ("Did the doctor call you back?", "She said everything looks fine, just get some rest."),
        ("You promised to fix the roof.", "I will, as soon as the rain stops."),
        ("How much did you pay for it?", "Less than you think, and more than I should have."),
        ("Do you remember our first apartment?", "The one where the heating never worked?"),
        ("I got the job!", "That's wonderful. When do you start?"),
        ("Why is the dog wet?", "He jumped into the river after a duck."),
        ("Are you coming to the meeting?", "I wasn't invited, actually."),
        ("Somebody ate my sandwich.", "Don't look at me, I had the salad."),
        ("Is there any coffee left?", "I just made a fresh pot in the kitchen."),
        ("The printer is broken again.", "Try turning it off and on, that usually helps."),
        ("When did she move to Canada?", "About three years ago, right after the wedding."),
        ("You look tired today.", "The neighbors were moving furniture all night long."),
        ("Should we tell him the truth?", "Not yet. Let him finish his dinner first."),
        ("I think we took the wrong turn.", "No, the bridge should be right behind that hill."),
        ("What did the lawyer say?", "He wants us to sign before the end of the month."),
        ("My phone is almost dead.", "There's a charger in the top drawer."),
        ("Can you hear that noise?", "It sounds like somebody is on the stairs."),
        ("How was your flight?", "Two hours late, and they lost one of my bags."),
        ("I really need a vacation.", "We could drive to the coast this weekend."),
        ("Did you feed the cat?", "Yes, and she is already asking for more."),
        ("The experiment failed again.", "Then we change the temperature and start over."),
        ("Why didn't you answer my letter?", "I wrote four answers and threw them all away."),
        ("That's not what you said yesterday.", "Well, I changed my mind overnight."),
        ("Who taught you to play the piano?", "My grandmother, every Sunday after lunch."),
        ("Please sit down for a moment.", "I'd rather stand, if you don't mind."),
        ("How many guests are we expecting?", "Twelve, and two of them don't eat meat."),
        ("Is it still snowing outside?", "It stopped an hour ago, but the road is closed."),
        ("You owe me twenty dollars.", "I gave it to your brother on Monday."),
        ("Do you believe in ghosts?", "Only after midnight and before breakfast."),
        ("We lost the signal again.", "Climb up there and hold the antenna higher."),
        ("What are you going to do now?", "Go home, take a bath and sleep for a week."),
        ("The museum closes in ten minutes.", "Then let's go straight to the paintings."),
        ("Have you seen my brother?", "He went out the back with a box of tools."),
        ("I don't trust that map.", "It was the only one they had at the station."),
        ("Could you turn the music down?", "Sorry, I didn't know you were working."),
        ("Let me carry that for you.", "Thank you, it's heavier than it looks."),
        ("Are these seats taken?", "No, please, go ahead and join us."),
        ("Your speech was very moving.", "I forgot half of it because I was so nervous."),
        ("Why are you whispering?", "Because the baby has finally fallen asleep."),
        ("He said he would be here by noon.", "He says a lot of things, you know that."),
        ("There is a letter for you.", "Just put it on the table with the others."),
        ("How long have you been waiting?", "Since the shop opened this morning."),
        ("I made the reservation for eight.", "Good, that gives us time for a walk."),
    ),
    backchannels=("Hmm.", "Yeah.", "Right.", "Okay.", "Uh-huh.", "I see.", "Sure.", "Oh."),
    narration=(
        "Nobody in that house had slept well for three weeks.",
        "It was the last summer before the harbor was closed.",
        "They did not know yet that the letter had already arrived.",
        "In those days, everyone in the valley knew everyone else.",
        "And so, on a cold morning in March, they met again.",
        "Years later, both of them would tell this story differently.",
    ),
)

SPANISH = Texts(
    exchanges=(
        ("¿Cerraste la puerta de atrás?", "Pensé que tú tenías la llave."),
        ("¿A qué hora sale el tren?", "A las seis y cuarto, del andén nueve."),
        ("No encuentro mis gafas.", "Las tienes en la cabeza, como siempre."),
        ("¿Has leído el informe?", "Dos veces, y sigo sin entender los números."),
        ("Esta sopa sabe rara.", "Se acabó la sal y usé salsa de soja."),
        ("¿Quién es ese hombre de la ventana?", "No lo he visto nunca en mi vida."),
        ("Deberíamos salir antes de que anochezca.", "Dame cinco minutos para buscar las botas."),
        ("¿Cuánto pagaste por eso?", "Menos de lo que crees y más de lo que debía."),
        ("¡Me han dado el trabajo!", "¡Qué maravilla! ¿Cuándo empiezas?"),
        ("¿Por qué está mojado el perro?", "Saltó al río detrás de un pato."),
        ("¿Queda algo de café?", "Acabo de hacer más en la cocina."),
        ("Hoy pareces cansada.", "Los vecinos movieron muebles toda la noche."),
        ("¿Cómo fue el vuelo?", "Dos horas tarde, y perdieron una de mis maletas."),
        ("¿Oyes ese ruido?", "Parece que hay alguien en la escalera."),
    ),
    backchannels=("Sí.", "Claro.", "Ya.", "Ajá.", "Vale."),
    narration=(
        "Nadie en aquella casa había dormido bien en tres semanas.",
        "Fue el último verano antes de que cerraran el puerto.",
        "Años después, los dos contarían esta historia de otra manera.",
    ),
)

CHINESE = Texts(
    exchanges=(
        ("你锁后门了吗？", "我以为钥匙在你那里。"),
        ("火车几点开？", "六点一刻，在九号站台。"),
        ("我找不到我的眼镜了。", "就在你头上，跟平时一样。"),
        ("你看过那份报告了吗？", "看了两遍，还是不明白那些数字。"),
        ("这汤的味道有点奇怪。", "盐用完了，所以我放了酱油。"),
        ("窗边的那个人是谁？", "我这辈子从来没见过他。"),
        ("我们应该在天黑之前离开。", "给我五分钟，我去找我的靴子。"),
        ("你花了多少钱？", "比你想的少，比我该花的多。"),
        ("我找到工作了！", "太好了，你什么时候开始上班？"),
        ("还有咖啡吗？", "我刚刚在厨房煮了一壶新的。"),
        ("你今天看起来很累。", "邻居搬了一整夜的家具。"),
        ("你听到那个声音了吗？", "好像有人在楼梯上。"),
    ),
    backchannels=("嗯。", "对。", "好。", "是啊。"),
    narration=("那栋房子里的人，三个星期没有睡好觉了。", "那是港口关闭之前的最后一个夏天。"),
    letters_per_second=4.6,
)

FRENCH = Texts(
    exchanges=(
        ("Tu as fermé la porte de derrière ?", "Je croyais que tu avais la clé."),
        ("À quelle heure part le train ?", "À six heures et quart, voie neuf."),
        ("Je ne trouve plus mes lunettes.", "Elles sont sur ta tête, comme toujours."),
        ("Cette soupe a un goût bizarre.", "Il n'y avait plus de sel."),
        ("Qui est cet homme près de la fenêtre ?", "Je ne l'ai jamais vu de ma vie."),
        ("Il reste du café ?", "Je viens d'en refaire dans la cuisine."),
        ("Tu as l'air fatiguée.", "Les voisins ont déplacé des meubles toute la nuit."),
        ("Tu entends ce bruit ?", "On dirait que quelqu'un est dans l'escalier."),
    ),
    backchannels=("Oui.", "D'accord.", "Ah bon."),
    narration=("Personne dans cette maison n'avait bien dormi depuis trois semaines.",),
)

TEXTS: dict[str, Texts] = {"en": ENGLISH, "es": SPANISH, "zh": CHINESE, "fr": FRENCH}
"""Texts by language, as BCP-47."""
