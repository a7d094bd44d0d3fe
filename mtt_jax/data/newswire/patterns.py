"""Patterns of the newswire corpus: clauses by topic, and the ways to join two of them.

A slot in braces is filled by a name (`{per}`, `{club}` or any other kind in names.KINDS; a 2 after
it, as in `{club2}`, asks for a second name of that kind) or by a word from FILLERS. Topics share
vocabulary on purpose: elections are races, coaches resign, companies score, ministers defend
titles.
"""

SPORTS = """
{per} scored twice as {club} beat {club2} {score}
{per} scored the winner for {club} in {city}
{club} beat {club2} {score} in {city}
{club} lost {score} at home to {club2}
{club} held {club2} to a draw in {city}
{club} signed {nationality} striker {per} from {club2}
{club} sold goalkeeper {per} to {club2} for {n} million euros
{club} dropped captain {per} for the trip to {city}
{club} dismissed coach {per} after {n} defeats in a row
{club} named {per} as head coach
{per} resigned as coach of {club}
{per} won the {event} for the second time
{per} won the {event} in {city} on {day}
{per} beat {per2} in straight sets to reach the final of the {event}
{per} of {country} took gold at the {event}
{per} of {country} set a record at the {event}
{nationality} sprinter {per} set a national record in {city}
{nationality} cyclist {per} won the stage to {city}
{nationality} boxer {per} kept the title against {per2}
{nationality} skier {per} led after the first run in {region}
{country} beat {country2} {score} in a qualifier
{country} qualified for the {event} with a draw in {city}
{country} named {per} in the squad for the {event}
{country} lost the semi-final of the {event} to {country2}
the {nationality} team went out of the {event} in the first round
the {league} banned {per} for {n} matches
the {league} gave the {event} to {city}
the {league} fined {club} over crowd trouble in {city}
the {league} moved the {event} from {city} to {country}
{club} climbed to second place with a win over {club2}
{club} sacked {per} with the team bottom of the table
{club} moved top of the table with a late goal by {per}
{club} reached the last eight of the {event}
{club} went down to the second division after a defeat in {city}
defender {per} returned to training with {club}
midfielder {per} missed the match against {club} with an ankle injury
striker {per} agreed to stay at {club} for {n} years
captain {per} lifted the trophy in {city}
goalkeeper {per} saved two penalties as {club} went through
winger {per} broke a leg in the match with {club}
teenager {per} made a debut for {club} against {club2}
{per} crashed out of the {event} on the second lap
{per} took pole position for the {event}
{per} retired from the {event} with a knee injury
{per} withdrew from the {event} in {city}
{per} finished third in the {event} behind {per2}
{per} ran the fastest time of the season in {city}
{per} outpaced {per2} in the final sprint in {city}
{per} defended the title at the {event}
{per} lost to {per2} in the opening round of the {event}
{per} fought back from a set down against {per2}
{per} hit {n} points as {club} defeated {club2}
{per} failed a drug test before the {event}
{per} pulled out of the race in {region}
{per} was left out of the {country} squad
{per} left {club} on a free transfer
{per} joined {club} on loan until {month}
{per} ended a spell of {n} games without a goal for {club}
{per} told {media} that {club} had played without courage
{per} praised the {club} defence after the draw in {city}
{per} paddled to bronze on {region}
{per} sailed into the lead off {region}
{per} climbed the final slope in {region} alone
{club} fans booed {per} during the defeat by {club2}
{club} supporters travelled to {city} for the {event}
{club} opened the season with a win in {city}
{club} came from behind to beat {club2}
{club} rested {per} for the second leg in {city}
{club} paid {n} million dollars for {per}
{club} rejected an offer from {club2} for {per}
{club} appealed against the red card for {per}
{club} extended the contract of manager {per}
{club} faced {club2} in a friendly in {city}
{club} and {club2} shared the points in {city}
{club} hosted {club2} in the {event}
the match between {club} and {club2} ended without a goal
the match in {city} was stopped after {n} minutes
the referee sent {per} off in the first half
the stadium in {city} was sold out for the visit of {club}
the final of the {event} went to a penalty shoot-out
the race through {region} ended in a sprint
the coach of {club} blamed {per} for the defeat
the {country} rowers won both finals in {city}
the {country} captain {per} limped off against {country2}
the {nationality} champion {per} lost the world title
the {nationality} swimmer {per} won {n} medals at the {event}
the {nationality} pair {per} and {per2} won the doubles at the {event}
{nationality} defender {per} moved from {club} to {club2}
{nationality} coach {per} turned down {club}
{nationality} rider {per} kept the lead in the {event}
{nationality} runners took the first {n} places in {city}
{nationality} teenager {per} won a first title in {city}
{university} beat {university2} in the boat race
{university} won the student title against {university2}
{company} driver {per} won the {event}
{company} ended its sponsorship of {club}
sponsor {company} withdrew from the {event}
organisers of the {event} cut the course in {region}
officials of the {league} checked the track in {city}
the jury of the {event} gave {per} a penalty of {n} seconds
injury kept {per} out of the {club} team
rain stopped play in {city} with {country} ahead
rain delayed the start of the {event} in {city}
victory in {city} took {club} to the top
a late penalty by {per} gave {club} a draw
a header from {per} put {country} ahead
an own goal by {per} cost {club} the match
""".strip().splitlines()

POLITICS = """
{per} resigned as prime minister of {country}
{per} won the presidential race in {country}
{per} lost the election in {country} to {per2}
{per} was sworn in as president of {country}
{per} of the {party} won the vote in {city}
{per} took over as leader of the {party}
{per} quit the {party} over the {law}
{per} defended the {law} before parliament in {city}
{per} called an early election in {country}
{per} met {nationality} president {per2} in {city}
{per} met {nationality} officials in {city} on {day}
{per} flew to {city} for talks with {per2}
{per} signed the {law} in {city}
{per} vetoed the {law}
{per} dismissed interior minister {per2}
{per} named {per2} as foreign minister
{per} faced a vote of confidence in {country}
{per} promised voters in {region} lower taxes
{per} opened the campaign in {region}
{per} led the race for mayor of {city}
{per} conceded defeat to {per2}
{per} went on trial in {city} over bribes
{per} fled {country} after the coup
{per} demanded the release of {per2} in {city}
{per} told {media} that {country} would leave the treaty
{per} told parliament that the {law} was dead
{per} accused {country} of breaking the ceasefire
{per} refused to recognise the vote in {region}
{per} survived a leadership challenge in the {party}
{per} joined the {party} before the local elections
{per} defeated {per2} in the race for the {party} leadership
{per} kept the finance ministry in the new cabinet
{per} lifted the state of emergency in {region}
{per} recalled the ambassador from {city}
the {party} won the election in {country}
the {party} lost its majority in {country}
the {party} chose {per} as candidate for {city}
the {party} left the government over the {law}
the {party} expelled {per}
the {party} and the {party2} agreed on a coalition
the {party} gained {n} seats in {region}
the {party} opposed the {law} in parliament
the {party} split over the talks with {country}
the {party} beat the {party2} in {region}
the {party} defended {n} seats in {region}
the {party} held a rally in {city}
{country} and {country2} signed a border treaty in {city}
{country} expelled {n} diplomats of {country2}
{country} recalled its ambassador to {country2}
{country} closed the border with {country2}
{country} ended sanctions against {country2}
{country} sent troops to {region}
{country} withdrew its forces from {region}
{country} rejected the demands of {country2} over {region}
{country} joined the {agency}
{country} voted on the {law} on {day}
{country} blocked a resolution of the {agency}
{country} took its claim on {region} to court
voters in {country} turned against {per}
voters in {city} elected {per} as mayor
voters in {region} rejected the {law}
ministers in {city} agreed on the {law}
ministers of {country} and {country2} met in {city}
lawmakers in {city} passed the {law}
lawmakers in {country} voted against {per}
protesters in {city} demanded that {per} step down
protesters marched through {city} against the {law}
police in {city} broke up a rally of the {party}
soldiers from {country} crossed into {region}
rebels in {region} shelled {city}
rebels in {region} agreed to a truce with {country}
diplomats in {city} drafted a resolution on {region}
the president of {country} dissolved parliament
the president of {country} pardoned {per}
the {nationality} president {per} visited {city}
the {nationality} parliament passed the {law}
the {nationality} parliament voted {per} out of office
the {nationality} government fell over the {law}
the {nationality} government resigned on {day}
the {nationality} army shelled positions in {region}
the {nationality} foreign minister {per} arrived in {city}
the {nationality} opposition boycotted the vote
the {nationality} embassy in {city} was closed
the {agency} sent observers to {country}
the {agency} condemned the arrests in {city}
the {agency} imposed sanctions on {country}
the {agency} opened talks on {region} in {city}
the court in {city} barred {per} from the election
the court in {city} struck down the {law}
the senate in {city} confirmed {per} as ambassador
the governor of {region} resigned on {day}
the mayor of {city} joined the {party}
the cabinet in {city} approved the {law}
the coalition of {per} lost a vote in {city}
the truce between {country} and {country2} collapsed
the summit in {city} ended without a deal on {region}
{nationality} troops entered {city}
{nationality} voters gave {per} a second term
{nationality} minister {per} lost a seat in parliament
{nationality} leader {per} called {per2} a traitor
{nationality} lawmakers backed the {law}
{nationality} negotiators left {city} without a deal
senator {per} quit the race for president
ambassador {per} left {city}
opposition leader {per} returned to {country}
president {per} sent the {law} back to parliament
candidate {per} led in {region} with {n} percent
a minister of {country} resigned over the {law}
a court in {city} jailed {per} for {n} years
a bomb in {city} killed {n} soldiers
""".strip().splitlines()

OTHERS = """
{company} bought {company2} for {n} million dollars
{company} beat forecasts with a profit of {n} million euros
{company} cut {n} jobs in {city}
{company} opened a plant in {region}
{company} named {per} as chief executive
{company} dismissed finance chief {per}
{company} recalled the {product}
{company} unveiled the {product} in {city}
{company} lost {n} million dollars in the quarter
{company} moved its head office from {city} to {city2}
{company} sued {company2} over the {product}
{company} signed a deal with {company2} in {city}
{company} raised its offer for {company2}
{company} won an order from {company2}
{company} closed {n} stores in {country}
{company} agreed to merge with {company2}
{company} stopped making the {product}
{company} rejected a bid from {company2}
{company} sold its {nationality} unit to {company2}
{company} hired {per} from {company2}
{company} delayed the launch of the {product}
{company} fell {n} percent in {city}
{company} led the market for {n} years
{company} shares rose {n} percent in {city}
{company} shares dropped after {per} left
{company} and {company2} shared the cost of the {product}
{company} paid {n} million euros for a factory in {city}
{company} faced a strike at its plant in {city}
{company} tested the {product} in {region}
{company} founder {per} sold a stake to {company2}
shares in {company} fell sharply in {city}
shares of {company} lost {n} percent on {day}
investors in {city} sold shares of {company}
analysts expected {company} to buy {company2}
unions at {company} called a strike in {city}
customers of {company} complained about the {product}
regulators in {city} fined {company}
regulators in {country} cleared the {product} of {company}
a judge in {city} ruled for {company} against {company2}
a fire at a {company} plant in {city} injured {n} workers
{per} directed the film {work}
{per} published the novel {work}
{per} won the main prize at the {festival}
{per} played the lead in {work}
{per} opened the {festival} with {work}
{per} died in {city} at the age of {n}
{per} married actor {per2} in {city}
{per} conducted {work} in {city}
{per} released the album {work}
{per} left the cast of {work}
{per} cancelled a concert in {city}
{per} discovered a comet over {region}
{per} joined {university} as a professor
{per} of {university} found a new frog in {region}
{per} tested the drug on {n} patients in {city}
{per} of {university} won a prize for work on cells
{per} resigned as director of {university}
{per} took over as editor of {media}
{per} told {media} that the {product} was safe
{per} bought a painting in {city} for {n} million dollars
{per} led the team that mapped {region}
{per} broke the record for the longest flight over {region}
{per} beat {per2} to the prize at the {festival}
actor {per} joined the cast of {work}
singer {per} cancelled a tour of {country}
author {per} set the novel {work} in {city}
director {per} shot {work} in {region}
chef {per} opened a restaurant in {city}
astronomer {per} of {university} saw a storm on the planet
biologist {per} counted {n} whales off {region}
economist {per} of {university} expected slower growth in {country}
chief executive {per} quit {company}
researchers at {university} built a battery from salt
researchers at {university} tested a vaccine in {country}
researchers at {university} and {university2} mapped a gene
scientists in {city} measured record heat
scientists from {country} drilled into the ice of {region}
doctors in {city} reported {n} cases of the fever
students at {university} won a contest with a robot
engineers at {company} repaired the {product}
the {festival} opened in {city} with {work}
the {festival} gave its prize to {work}
the {festival} moved from {city} to {city2}
the {agency} warned of a storm in {region}
the {agency} approved a vaccine of {company}
the {agency} launched a satellite over {region}
the {agency} reported higher prices in {country}
the {nationality} economy grew by {n} percent
the {nationality} film {work} won a prize in {city}
the {nationality} writer {per} published {work}
the {nationality} airline {company} ordered {n} jets
the museum in {city} showed paintings by {per}
the opera in {city} staged {work}
the airport in {city} was closed by snow
the price of oil fell after a report by {company}
{nationality} composer {per} finished {work}
{nationality} actress {per} signed for {work}
{nationality} exports to {country} rose by {n} percent
{nationality} scientists traced the virus to {region}
{nationality} farmers lost the harvest in {region}
{nationality} police found a stolen painting in {city}
{media} bought the rights to {work}
{media} hired {per} as a reporter in {city}
{media} put the cost of the {product} at {n} million dollars
tourists from {country} returned to {region}
floods in {region} killed {n} people
an earthquake shook {region} on {day}
a train from {city} to {city2} left the rails
a volcano in {region} threw ash over {city}
heavy snow cut off {city} on {day}
a storm in {region} damaged {n} homes
""".strip().splitlines()

TOPICS = {"sports": SPORTS, "politics": POLITICS, "others": OTHERS}

# How a main clause and a subordinate clause are joined; the main one gives the topic.
MAIN_FIRST = (
    "{main}, hours after {side}|{main} on the day {side}|{main} a week before {side}|"
    "{main}, while {side}|{main} even though {side}|{main} after {side}|{main} before {side}|"
    "{main} because {side}|{main} as {side}|{main}, days after {side}"
).split("|")
MAIN_LAST = (
    "hours after {side}, {main}|while {side}, {main}|although {side}, {main}|"
    "a day before {side}, {main}|as {side}, {main}|after {side}, {main}|"
    "on the day {side}, {main}|weeks after {side}, {main}"
).split("|")
OPENINGS = (
    "on {day}, {main}|in {month}, {main}|{city} ( {media} ) - {main}|officials said {main}|"
    "according to {media}, {main}|{media} reported that {main}|{main}, {media} reported|"
    "{main} on {day}|{main}, witnesses said"
).split("|")

FILLERS = {
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday".split("|"),
    "month": "January|February|March|April|June|July|August|September|October|November".split("|"),
    "score": "1-0|2-0|2-1|3-1|3-2|4-0|4-2|0-0|1-1|5-3|78-72|91-88|24-17".split("|"),
    "n": "3|4|5|6|7|8|9|11|12|14|15|18|20|25|30|34|40|48|50|60|75|90|120|200|two|ten".split("|"),
}
