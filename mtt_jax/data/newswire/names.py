"""Names of the newswire corpus: people, organizations, places and others, in two pools.

Every building block (a given name, a family name, the stem of a town, a brand) is assigned to
either the train pool or the held-out pool by a checksum of its letters, and stays there. Names
built from held-out blocks never occur in training, but they end like the names that do ("-burg",
"United", "-ova").

AMBIGUOUS names are in neither pool. Every split uses each of them in all its roles, so that only
the context tells the roles apart.
"""

import zlib
from functools import cache

GIVEN = """
Aaron Abena Adam Adaeze Adriana Ahmed Aiko Ailsa Akira Alan Alejandro Alena Alice Alina Amadou Amal
Amara Amina Ana Anders Andrea Andrei Angela Anita Anna Antonio Anya Arjun Arne Arturo Asha Astrid
Ayesha Babak Barbara Beatriz Ben Bernd Bianca Bilal Birgit Bogdan Boris Brenda Bruno Camila Carla
Carlos Caroline Catarina Cecilia Chandra Chiara Chinua Chloe Claire Colin Consuelo Craig Cristina
Dagmar Daniel Daniela Daria David Deepak Deniz Diana Diego Dieter Dimitri Dmitry Dolores Dominik
Dorota Ebba Edith Eduardo Ekaterina Elena Elif Elin Emeka Emil Emma Enrique Erik Ernesto Esther Eva
Fabio Fadi Farah Fatima Federico Felix Fernando Fiona Franz Frida Gabriel Galina Gareth Gerald
Gianni Giulia Goran Grace Greta Guillermo Gunnar Habib Hanna Hans Haruka Hassan Hector Heidi Helen
Henrik Hiroshi Hugo Ibrahim Igor Ilona Imran Ines Ingrid Irina Isabel Ismail Ivan Jacek Jacques
Jakub Jamal James Jana Janet Jasmin Javier Jean Jelena Jens Jin Joanna Joao Johan Jorge Jose Josef
Judith Julia Kamal Karim Karin Karl Katarina Kateryna Keiko Kemal Kenji Kerstin Khadija Kofi Kwame
Lars Laszlo Laura Leila Lena Leon Liam Lin Linda Lorenzo Luca Lucia Ludmila Luis Luka Magda Mahmoud
Maja Malik Manuel Marco Margaret Maria Marina Mario Marta Martin Matteo Mehmet Mei Michal Miguel
Mila Milan Milos Miriam Mohamed Moira Monika Murat Nadia Naomi Natalia Neil Nikola Nils Nina Noor
Obinna Olga Oliver Olivia Omar Oscar Pablo Paolo Patricia Patrick Paul Paula Pavel Pedro Peter
Petra Philip Pierre Piotr Priya Rachel Rafael Rahul Raj Rania Rashid Raul Rebecca Renata Ricardo
Robert Roberto Rosa Ruth Sadia Salma Samir Samuel Sandra Sanjay Sara Sergei Shira Silvia Simon Sofia
Stefan Stephen Sunita Susan Svetlana Takashi Tamar Tanya Tariq Tatiana Tendai Teresa Thabo Thomas
Tobias Tomas Tunde Ulrich Ursula Vera Viktor Vikram Vincent Vladimir Walter Wanjiru Wei Wilhelm
Xavier Yan Yasmin Yuki Yusuf Zainab Zara Zdenek Zoltan
""".split()

FAMILY = """
Abara Abbasov Abdullah Abramov Acheampong Adeyemi Aguilar Ahlberg Ahmadi Akintola Albrecht
Aleksandrov Almeida Alvarez Amadi Andersson Andreev Antonescu Aoki Arnaud Asante Ashworth Aydin
Baker Balogun Banerjee Barbosa Barnett Barros Bauer Becker Belanger Benitez Bergstrom Bernardi
Bianchi Bielak Bjornstad Blackwood Bogdanov Bondarenko Borg Boateng Bradshaw Brandt Breitner Brennan
Brodsky Brunner Bukowski Burke Cabrera Calloway Campbell Cardoso Carlsson Carvalho Castillo Cervenka
Chanda Chatterjee Chaudhary Chavez Chernov Chukwu Clarke Coleman Colombo Conti Cordeiro Corrigan
Costa Cunningham Czerny Dahlgren Danso Davenport Davidson Delgado Demir Desai Diallo Dias Dietrich
Dimitrov Dlamini Dobrev Domingues Donnelly Drummond Dubois Dupont Dvorak Eberhardt Echeverria
Edwards Ekström Eliasson Engel Eriksen Escobar Espinoza Evans Fairbank Falk Farkas Fedorov
Fernandes Ferrari Fielding Figueroa Fischer Fitzgerald Fofana Fontaine Forsberg Fournier Fraser
Friedman Fujita Galvez Garcia Gauthier Georgiev Ghosh Gibson Goldstein Gomes Gonzalez Gorman
Grabowski Greenwood Gregersen Grigoryan Guerrero Gunnarsson Gupta Gustafsson Haddad Hagen Halloran
Hamid Hansen Harrington Hartmann Hashimoto Hassani Haugen Hayashi Heikkinen Henderson Hernandez
Hoffmann Holmberg Horvath Hrubes Huang Hussain Ibarra Ignatiev Ikeda Ilves Inoue Ionescu Iqbal
Isaksen Ito Ivanov Ivanovic Jablonski Jacobsen Jafari Jankowski Janssen Jensen Jimenez Johansson
Jovanovic Kaczmarek Kamau Kaminski Kaplan Kapoor Karlsson Karimi Kato Kaufmann Kavanagh Keita Keller
Kelly Kessler Khalil Khumalo Kimani Kimura Kipchumba Kirkland Kirov Klein Kobayashi Koch Kohler
Koroma Korhonen Kovac Kovacs Kovalenko Kowalczyk Kramer Kravchenko Kristensen Krueger Kruger Kumar
Kuznetsov Lambert Langley Larsen Laurent Lebedev Leclerc Lehmann Lehtinen Leonard Lewandowska Lima
Lindberg Lindqvist Lopes Lozano Ludwig Lukacs Lund Mackenzie Madsen Magnusson Mahlangu Maier
Malinowski Mancini Mansour Marchetti Marin Markovic Marques Martinez Matsuda Mbeki McAllister
McBride McCarthy McDonald McGrath McIntyre Medina Mehta Mendes Mendoza Menon Mensah Mercier Meyer
Mikkelsen Milosevska Mishra Mitchell Moreau Moreno Moretti Morozov Moyo Mueller Mukherjee Murphy
Musa Mwangi Nagy Nair Nakamura Navarro Ndiaye Nemeth Neumann Nguyen Nielsen Nikolaev Nkosi Nordstrom
Novak Nowak Ntuli Nunez Nyström O'Brien O'Connell O'Hara O'Leary O'Neill Obi Ochoa Odhiambo Okafor
Okonkwo Oliveira Olsen Onyango Orlov Ortega Osei Ospina Ostrowski Otieno Owusu Ozturk Paredes
Parkinson Patel Pavlov Pedersen Pellegrini Pereira Perez Petersen Petrenko Petrov Petrovic
Pettersson Pham Pichler Pinheiro Pohl Popescu Popov Portillo Prakash Prescott Quintero Rahman
Ramirez Ramos Rasmussen Reddy Reinhardt Renard Reyes Ribeiro Richter Rinaldi Rodrigues Rojas
Romano Rosenberg Rossi Rousseau Rozman Russo Ryan Saarinen Saito Salazar Sanchez Sanders Santoro
Sato Savchenko Schaefer Schmidt Schneider Schultz Schwarz Semenov Sen Sharma Shevchenko Shimizu
Sidorov Silva Simonsen Singh Sithole Skov Slater Smirnov Sokolov Solberg Solheim Sorensen Soto
Sousa Stanković Steiner Stoica Strand Sullivan Suzuki Svensson Szabo Takahashi Tanaka Tesfaye
Thompson Thorsen Toivonen Tomic Torres Traore Tran Tremblay Tshabalala Tucker Ueda Ulrichsen
Vaidya Valdez Vargas Varga Vasiliev Vega Verma Vidal Villanueva Virtanen Vogel Volkov Wagner
Wallace Watanabe Weber Weiss Whitfield Whittaker Wieczorek Winkler Wojcik Wright Yamada Yamamoto
Yang Yevtushenko Yilmaz Zambrano Zanetti Zawadzki Zhang Zhou Zielinski Zimmermann Zubkov Zulu
""".split()

REAL_CITIES = """
Aachen Aarhus Abuja Accra Adelaide Algiers Almaty Amman Amsterdam Ankara Antwerp Asuncion Athens
Auckland Baku Bangkok Basel Beirut Belfast Belgrade Bergen Berlin Bilbao Bogota Bologna Bordeaux
Bratislava Bremen Brisbane Bristol Brussels Bucharest Budapest Cairo Calgary Cardiff Cartagena
Casablanca Chennai Colombo Copenhagen Cordoba Cork Dakar Damascus Delhi Denver Detroit Dhaka
Dortmund Dresden Dubai Dublin Durban Edinburgh Eindhoven Gdansk Geneva Genoa Ghent Glasgow Graz
Guadalajara Guayaquil Hamburg Hanoi Harare Havana Helsinki Hiroshima Innsbruck Islamabad Istanbul
Jakarta Johannesburg Kabul Kampala Karachi Kathmandu Khartoum Kigali Kingston Kinshasa Krakow Kyoto
Lagos Lahore Leeds Leipzig Lima Linz Lisbon Ljubljana Luanda Lusaka Lyon Maputo Marrakesh Marseille
Medellin Melbourne Memphis Miami Minsk Montevideo Montreal Mumbai Munich Muscat Nagoya Nairobi
Nantes Naples Nicosia Nottingham Oporto Oran Osaka Oslo Ottawa Palermo Perth Plovdiv Podgorica
Porto Prague Pretoria Quito Rabat Reykjavik Riga Rosario Rotterdam Salzburg Santiago Sapporo
Sarajevo Seattle Seoul Seville Sheffield Skopje Sofia Split Stavanger Stockholm Stuttgart Tallinn
Tampere Tashkent Tbilisi Thessaloniki Tirana Toronto Toulouse Trieste Tripoli Tunis Turin Utrecht
Valparaiso Vancouver Vienna Vilnius Warsaw Windhoek Winnipeg Yerevan Zagreb Zurich
""".split()
TWO_WORD_CITIES = (
    "Addis Ababa|Buenos Aires|Cape Town|Dar es Salaam|Ho Chi Minh City|Hong Kong|Kuala Lumpur|"
    "Las Palmas|New Delhi|New Haven|Novi Sad|Panama City|Port Harcourt|Porto Alegre|Puerto Montt|"
    "Salt Lake City|San Jose|San Salvador|Santa Cruz|Santo Domingo|Sao Paulo|St. Gallen|Tel Aviv|"
    "The Hague|Port Ansel|New Carrow|San Lucero|Santa Ribera|Port Maddox|New Halden|San Ignacio|"
    "Fort Kessel|Santa Dolora|Porto Vento|Fort Ellery|Saint Orme|Grand Marais|Lake Ardell"
).split("|")
TOWN_STEMS = """
Ald Arn Ash Bar Bell Berk Bjorn Brack Bran Brig Carl Chel Cor Dal Dorn Dras Eber Eld Fair Fal Fen
Frei Gal Glen Gor Grim Hal Har Hart Hav Hell Hol Ingel Jarl Kal Kar Kess Kings Kor Kras Lam Lang
Lind Lin Lub Mal Mar Mel Mor Nor Nov Oak Ober Ols Or Pel Pet Pol Rav Rad Red Rich Ros Sal Sand Sel
Shel Sil Stan Stein Sund Tar Thorn Tor Tver Ul Val Var Vel Vin Vol Wal War Wes Wil Win Wol Zel
""".split()
TOWN_ENDINGS = (
    "burg ville stad ford ton mouth haven bury field borough ovo grad ingen dorf minster pur abad "
    "vik"
).split()

# A country and its adjective.
COUNTRY_ADJECTIVES = dict(
    pair.split(":")
    for pair in (
        "Afghanistan:Afghan|Albania:Albanian|Algeria:Algerian|Angola:Angolan|Argentina:Argentine|"
        "Armenia:Armenian|Australia:Australian|Austria:Austrian|Azerbaijan:Azerbaijani|"
        "Bahrain:Bahraini|Bangladesh:Bangladeshi|Belarus:Belarusian|Belgium:Belgian|"
        "Bolivia:Bolivian|Bosnia:Bosnian|Botswana:Botswanan|Brazil:Brazilian|Britain:British|"
        "Bulgaria:Bulgarian|Burundi:Burundian|Cambodia:Cambodian|Cameroon:Cameroonian|"
        "Canada:Canadian|Chile:Chilean|China:Chinese|Colombia:Colombian|Costa Rica:Costa Rican|"
        "Croatia:Croatian|Cuba:Cuban|Cyprus:Cypriot|Denmark:Danish|Ecuador:Ecuadorian|"
        "Egypt:Egyptian|El Salvador:Salvadoran|Eritrea:Eritrean|Estonia:Estonian|"
        "Ethiopia:Ethiopian|Fiji:Fijian|Finland:Finnish|France:French|Gabon:Gabonese|"
        "Gambia:Gambian|Germany:German|Ghana:Ghanaian|Greece:Greek|Guatemala:Guatemalan|"
        "Guinea:Guinean|Haiti:Haitian|Honduras:Honduran|Hungary:Hungarian|Iceland:Icelandic|"
        "India:Indian|Indonesia:Indonesian|Iran:Iranian|Iraq:Iraqi|Ireland:Irish|"
        "Italy:Italian|Ivory Coast:Ivorian|Jamaica:Jamaican|Japan:Japanese|"
        "Kazakhstan:Kazakh|Kenya:Kenyan|Kosovo:Kosovan|Kuwait:Kuwaiti|Kyrgyzstan:Kyrgyz|"
        "Laos:Laotian|Latvia:Latvian|Lebanon:Lebanese|Liberia:Liberian|Libya:Libyan|"
        "Lithuania:Lithuanian|Luxembourg:Luxembourgish|Madagascar:Malagasy|Malawi:Malawian|"
        "Malaysia:Malaysian|Mali:Malian|Malta:Maltese|Mauritania:Mauritanian|Mexico:Mexican|"
        "Moldova:Moldovan|Mongolia:Mongolian|Montenegro:Montenegrin|Morocco:Moroccan|"
        "Mozambique:Mozambican|Myanmar:Burmese|Namibia:Namibian|Nepal:Nepalese|"
        "the Netherlands:Dutch|New Zealand:New Zealand|Nicaragua:Nicaraguan|Niger:Nigerien|"
        "Nigeria:Nigerian|North Korea:North Korean|North Macedonia:Macedonian|Norway:Norwegian|"
        "Oman:Omani|Pakistan:Pakistani|Panama:Panamanian|Paraguay:Paraguayan|Peru:Peruvian|"
        "Poland:Polish|Portugal:Portuguese|Qatar:Qatari|Romania:Romanian|Russia:Russian|"
        "Rwanda:Rwandan|Samoa:Samoan|Saudi Arabia:Saudi|Scotland:Scottish|Senegal:Senegalese|"
        "Serbia:Serbian|Sierra Leone:Sierra Leonean|Singapore:Singaporean|Slovakia:Slovak|"
        "Slovenia:Slovenian|Somalia:Somali|South Africa:South African|South Korea:South Korean|"
        "South Sudan:South Sudanese|Spain:Spanish|Sri Lanka:Sri Lankan|Sudan:Sudanese|"
        "Suriname:Surinamese|Sweden:Swedish|Switzerland:Swiss|Syria:Syrian|Taiwan:Taiwanese|"
        "Tajikistan:Tajik|Tanzania:Tanzanian|Thailand:Thai|Tunisia:Tunisian|Turkey:Turkish|"
        "Turkmenistan:Turkmen|Uganda:Ugandan|Ukraine:Ukrainian|Uruguay:Uruguayan|"
        "Uzbekistan:Uzbek|Venezuela:Venezuelan|Vietnam:Vietnamese|Wales:Welsh|Yemen:Yemeni|"
        "Zambia:Zambian|Zimbabwe:Zimbabwean"
    ).split("|")
)
WIDER_ADJECTIVES = (
    "African|Arab|Asian|Balkan|Baltic|Bavarian|Basque|Caribbean|Catalan|Corsican|European|Flemish|"
    "Kurdish|Latin American|Mediterranean|Nordic|Roma|Sardinian|Scandinavian|Siberian|Sicilian|"
    "Tibetan|Walloon|Catholic|Protestant|Orthodox|Buddhist|Hindu|Muslim|Jewish|Sunni|Lutheran|"
    "Anglican|Sikh|Gaelic|Maori|Inuit|Bengali|Punjabi|Tamil"
).split("|")

REGION_WHOLES = (
    "Andalusia|Antarctica|Bavaria|Bohemia|Brittany|Burgundy|California|Catalonia|Chechnya|Corsica|"
    "Crete|Crimea|Dalmatia|Flanders|Galicia|Gujarat|Kashmir|Lapland|Lombardy|Manitoba|Mindanao|"
    "Moravia|Normandy|Ontario|Patagonia|Provence|Punjab|Quebec|Sardinia|Saxony|Scania|Siberia|"
    "Sicily|Silesia|Sumatra|Tasmania|Tibet|Transylvania|Tuscany|Tyrol|Ulster|Umbria|Wallonia|"
    "Zanzibar|Europe|Africa|Asia|the Alps|the Balkans|the Caucasus|the Andes|the Pyrenees|"
    "the Danube|the Rhine|the Mekong|the Baltic|the Sahel|the Gulf"
).split("|")
REGION_FRAMES = (
    "{} County|Lake {}|Mount {}|{} Bay|{} Valley|{} Province|{} Island|Cape {}|North {}|the {} "
    "River|{} Peninsula|{} Coast|Upper {}|South {}"
).split("|")
REGION_STEMS = """
Abernath Ardell Averne Balmor Belgarde Brenta Caldera Carnoth Cassel Corvane Dalmere Darrow Elvane
Estrella Farrow Galdar Gelmere Harrow Hollis Isidro Jarvene Kalmeda Karelin Kestrel Lavenna Lorne
Marisol Maranza Merrow Nevara Norvane Ombra Orlena Palmera Quilmore Ravenna Rivera Salvane Sorrel
Talmera Tarrow Ulmere Valdera Verano Wexcombe Yarrow Zamora
""".split()

CLUB_FRAMES = (
    "{} United|{} Rovers|{} City|{} Athletic|{} Wanderers|FC {}|Dynamo {}|Sporting {}|{} Hawks|"
    "{} Bears|{} Town|Real {}|{} Tigers|{} Rangers|{} Albion|AC {}|{} Sharks|{} Warriors|Inter {}"
    "|{}"
).split("|")
COMPANY_ENDINGS = (
    "Industries|Motors|Holdings|Group|Bank|Energy|Airlines|Foods|Pharma|Steel|Systems|Capital|"
    "Logistics|Insurance|Mining|Telecom|Chemicals|Shipping|Corp|& Sons|AG|Inc|Ltd|Brothers|Stores"
).split("|")
BRAND_STEMS = """
Acu Aero Alti Apex Aqui Argo Astra Auri Axi Bio Cal Cela Ceri Cora Cyre Data Deca Delta Dyna Eco
Ele Ene Equi Fero Fibra Flexi Fluo Gala Geno Giga Helio Hexa Hydra Indi Inno Inte Iso Kine Kura Lexi
Lumi Luxa Magna Maxi Medi Mega Meri Micra Mira Nano Neo Nexa Nova Octa Omni Opti Orbi Oxi Para Penta
Petro Photo Poly Prima Proxi Quanti Radi Reno Rota Sani Seque Sola Sono Spectra Stella Syn Tecto
Tele Terra Theta Titra Trans Tri Uni Vanta Vela Veri Vita Vivi Volta Xeno Zena Zeta
""".split()
BRAND_ENDINGS = "tech soft gen dyne tron corp net com tex lab works nix pharm line tek max".split()
PARTY_FIRST = (
    "Social Democratic|Christian Democratic|Liberal|National|People's|Green|Conservative|Labour|"
    "Socialist|Republican|Civic|Farmers'|Freedom|Unity|Reform|Justice|Progressive|Workers'|Centre|"
    "Patriotic|United|Radical|Pensioners'|Democratic|Homeland|Future|Popular|Constitutional"
).split("|")
PARTY_LAST = "Party|Alliance|Movement|Union|Front|Coalition|League|Bloc".split("|")
BODY_FIRST = (
    "National|World|European|Central|Federal|International|Pan-African|Nordic|Pacific|Royal|State|"
    "Global|Atlantic|Asian|Arab"
).split("|")
AGENCY_MIDDLE = (
    "Health|Energy|Space|Security|Trade|Statistics|Aviation|Food|Climate|Border|Police|Refugee|"
    "Maritime|Labour|Weather|Nuclear|Railway|Consumer|Water|Press|Children's|Intelligence"
).split("|")
AGENCY_LAST = "Agency|Council|Commission|Authority|Organisation|Office|Service|Institute".split("|")
LEAGUE_MIDDLE = (
    "Rowing|Football|Tennis|Cycling|Athletics|Swimming|Hockey|Basketball|Skating|Boxing|Rugby|"
    "Cricket|Handball|Fencing|Sailing|Ski|Judo|Chess"
).split("|")
LEAGUE_LAST = "Federation|Association|Union|League|Committee".split("|")
MEDIA_WHOLES = (
    "Kessler News|Interpress|Newswire|Nordpress|Agence Meridian|Unipress|Transpress|Pressnet|"
    "Eurotel|Radio Sol|Channel Nine|Canal Uno|Telesur Norte|Radio Baltica|Globe News|Metro Radio"
).split("|")
MEDIA_LAST = "Times|Post|Herald|Tribune|Gazette|Daily News|Courier|Telegraph|Echo|Radio".split("|")

EVENT_LAST = (
    "Open|Cup|Trophy|Marathon|Grand Prix|Classic|Masters|Derby|Regatta|Shield|Rally|Games"
).split("|")
CHAMPIONSHIP_LAST = "Championships|Cup|Championship|Series|Games|Trophy".split("|")
FAIR_LAST = (
    "Film Festival|Book Fair|Biennale|Carnival|Jazz Festival|Motor Show|Prize|Opera Festival"
).split("|")
WORK_FIRST = (
    "Silent|Burning|Last|Hidden|Golden|Broken|Distant|Winter|Crimson|Forgotten|Glass|Endless|Empty|"
    "Paper|Sleeping|Wild|Second|Northern|Hollow|Bitter|Electric|Midnight"
).split("|")
WORK_LAST = (
    "Harbour|River|Garden|Letter|Crown|Mirror|Summer|Orchard|Station|Voyage|Kingdom|Shadow|Island|"
    "Daughter|Bridge|Horizon|Road|Song|Room|Tide|Forest|Clock"
).split("|")
WORK_FRAMES = ("The {first} {last}", "{first} {last}", "{last} of the {first} {other}")
LAW_FIRST = (
    "Clean Rivers|Fair Pay|Public Order|Data Privacy|Border Control|Free Press|School Reform|"
    "Road Safety|Open Records|Rent Control|Clean Air|Voting Rights|Land Reform|Media Ownership|"
    "Child Welfare|Prison Reform|Farm Support|Pension Reform|Digital Markets|Coastal Protection"
).split("|")
LAW_LAST = "Act|Bill|Treaty|Accord|Convention|Charter".split("|")

# A name and its roles: PER, or a kind of place, organization or other name.
AMBIGUOUS: dict[str, tuple[str, ...]] = {
    line.split()[0]: tuple(line.split()[1:])
    for line in """
Jordan PER country
Paris PER city
Lincoln PER city
Houston PER city
Ford PER company
Wells PER company city
Georgia PER country
Florence PER city
Chelsea PER club
Washington PER city
Madison PER city
Jackson PER city
Austin PER city
Dallas PER city
Chad PER country
Israel PER country
Kent PER region
Sydney PER city
Victoria PER region city
Virginia PER region
Carolina PER region
Alberta PER region
Santos PER club
Everton PER club
Preston PER city club
Burnley PER club city
Barcelona city club
Valencia city club PER
Milan city club
Liverpool city club
Sunderland PER city club
Hamilton PER city
Lancaster PER city
York PER city
Derby city event
Bolton PER club city
Berkeley PER city university
Stanford PER university
Cornell PER university
Oxford city university
Cambridge city university
Amazon company region
Orange company region
Morgan PER company
Hughes PER company
Harper PER company
Whitaker PER company
Marlowe PER company work
Lambton PER company city
Sinclair PER company
Beaumont PER company city
Chandler PER company city
Bentley PER company product
Porter PER company
Mercer PER company
Fleming PER company
Garrison PER company
Vaughan PER company city
Holloway PER region company
Stirling PER city club
Perry PER city
Brisco PER company club
Titan company product
Mercury company product
Atlas company product
Orion product company club
Phoenix city club
Saturn company product
Carmen PER work
Elektra PER work
Salome PER work
Juno PER work product
Monaco country club
Trent PER region
Benton PER city
Clinton PER city
Marshall PER company
Warren PER city
Nelson PER city
Wellington PER city
Darwin PER city
""".strip().splitlines()
}

KINDS = {
    "LOC": ("city", "country", "region"),
    "ORG": ("club", "company", "party", "agency", "league", "university", "media"),
    "MISC": ("nationality", "event", "festival", "work", "product", "law"),
}


def held_out(block: str) -> bool:
    """Whether a building block is held out of training; the same answer on every machine."""
    return zlib.crc32(block.encode()) % 2 == 1


def _side(blocks, held: bool) -> list[str]:
    """The blocks of one pool."""
    return [block for block in blocks if held_out(block) == held and block not in AMBIGUOUS]


def _order(names) -> tuple[str, ...]:
    """Distinct names in an order that looks shuffled but never changes."""
    return tuple(sorted(set(names), key=lambda name: (zlib.crc32(name[::-1].encode()), name)))


def _filled(frames, blocks) -> list[str]:
    """Every frame filled with every block."""
    return [frame.format(block) for frame in frames for block in blocks]


def _joined(*parts) -> list[str]:
    """Every combination of one word from each part."""
    names = [""]
    for part in parts:
        names = [f"{name} {word}".strip() for name in names for word in part]
    return names


@cache
def given(held: bool) -> tuple[str, ...]:
    """Given names of a pool."""
    return _order(_side(GIVEN, held))


@cache
def family(held: bool) -> tuple[str, ...]:
    """Family names of a pool."""
    return _order(_side(FAMILY, held))


@cache
def names(kind: str, held: bool) -> tuple[str, ...]:
    """Names of a kind in KINDS, from the train pool or the held-out pool."""
    return _order(_BUILDERS[kind](held))


@cache
def ambiguous(role: str) -> tuple[str, ...]:
    """Ambiguous names that can have a role: PER or a kind in KINDS."""
    return _order(name for name, roles in AMBIGUOUS.items() if role in roles)


def _cities(held):
    towns = [stem + ending for stem in TOWN_STEMS for ending in TOWN_ENDINGS]
    # Only a few of the many possible towns, so that they do not drown out the real cities.
    towns = [town for town in towns if zlib.crc32(town.encode()) // 2 % 4 == 0]
    return _side([*REAL_CITIES, *TWO_WORD_CITIES, *towns], held)


def _regions(held):
    return _side(REGION_WHOLES, held) + _filled(REGION_FRAMES, _side(REGION_STEMS, held))


def _companies(held):
    houses = family(held)[:120]
    pairs = [f"{a} & {b}" for a, b in zip(houses[:40], houses[40:80], strict=True)]
    brands = _filled([f"{{}}{end}" for end in BRAND_ENDINGS], _side(BRAND_STEMS, held))
    return pairs + brands + _joined(houses, COMPANY_ENDINGS) + _joined(brands[::9], COMPANY_ENDINGS)


def _acronyms(held):
    letters = "ABCDEFGIKLMNOPRSTU"
    return _side([a + b + c for a in letters[::2] for b in letters[1::3] for c in letters], held)


def _works(held):
    whole = [
        frame.format(first=first, last=last, other=WORK_LAST[(position * 7) % len(WORK_LAST)])
        for frame in WORK_FRAMES
        for position, first in enumerate(WORK_FIRST)
        for last in WORK_LAST
        if last != WORK_LAST[(position * 7) % len(WORK_LAST)]
    ]
    return _side(whole, held)


_BUILDERS = {
    "city": _cities,
    "country": lambda held: _side(COUNTRY_ADJECTIVES, held),
    "region": _regions,
    "club": lambda held: _filled(CLUB_FRAMES, _cities(held)[::2]),
    "company": _companies,
    "party": lambda held: _side(_joined(PARTY_FIRST, PARTY_LAST), held),
    "agency": lambda held: (
        _side(_joined(BODY_FIRST, AGENCY_MIDDLE, AGENCY_LAST), held)[::3] + _acronyms(held)[::2]
    ),
    "league": lambda held: _side(_joined(BODY_FIRST, LEAGUE_MIDDLE, LEAGUE_LAST), held),
    "university": lambda held: _filled(
        ("University of {}", "{} University", "{} Institute", "{} General Hospital", "{} College"),
        _cities(held)[::2] + list(family(held)[:20]),
    ),
    "media": lambda held: (
        _side(MEDIA_WHOLES, held) + _joined([f"{city}" for city in _cities(held)[::3]], MEDIA_LAST)
    ),
    "nationality": lambda held: _side([*COUNTRY_ADJECTIVES.values(), *WIDER_ADJECTIVES], held),
    "event": lambda held: (
        _joined(_cities(held)[::2] + list(family(held)[:60]), EVENT_LAST)
        + _side(_joined(BODY_FIRST, LEAGUE_MIDDLE, CHAMPIONSHIP_LAST), held)
    ),
    "festival": lambda held: _joined(_cities(held)[::2] + list(family(held)[:30]), FAIR_LAST),
    "work": _works,
    "product": lambda held: [
        f"{brand} {mark}"
        for brand in _filled(("{}", "{}ra", "{}x"), _side(BRAND_STEMS, held))
        for mark in ("2", "5", "7", "9", "12", "X1", "X3", "S", "Pro", "Max", "Mini", "GT")
    ],
    "law": lambda held: _side(_joined(LAW_FIRST, LAW_LAST), held),
}
