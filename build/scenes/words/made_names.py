"""The made things a scene may hold: kind -> "emoji name=name in a prompt; ..."."""

VEHICLES = """
aerial tramway=cable car; airplane; airplane departure=airplane taking off; ambulance;
articulated lorry=semi truck; auto rickshaw; automobile=car; bicycle; bullet train; bus; canoe;
delivery truck; ferry; fire engine; flying saucer; helicopter; high-speed train; kick scooter;
light rail=light rail train; locomotive=steam locomotive; manual wheelchair=wheelchair;
metro=metro train; minibus; monorail; motor boat=motorboat; motor scooter; motorcycle;
motorized wheelchair; mountain railway=mountain train; oncoming bus=bus from the front;
oncoming police car=police car from the front; oncoming taxi=taxi from the front;
passenger ship=cruise ship; pickup truck; police car; racing car=race car; railway car; rocket;
roller skate; sailboat; satellite; ship=ocean liner; skateboard; sled;
small airplane=propeller plane; speedboat; sport utility vehicle=SUV;
suspension railway=suspended train; taxi; tractor; train; tram; tram car; trolleybus; parachute;
shopping cart; wheel; #E1C2=self-driving car; #E1D2=drone; #E20B=space shuttle; #E344=wheelbarrow;
#E343=lawn mower; #E328=hospital stretcher; #E2CF=car with exhaust fumes
"""

BUILDINGS = """
bank; barber pole; bridge at night=suspension bridge; building construction=construction site;
bus stop=bus stop sign; carousel horse; castle; church; circus tent;
classical building=columned building; convenience store; department store; derelict house;
factory; ferris wheel; fountain; fuel pump=gas pump; hindu temple=Hindu temple; hospital; hotel;
house; house with garden=house with a garden/houses with gardens; houses=row of houses; hut;
Japanese castle; moai=stone head; mosque; office building; playground slide; post office;
roller coaster; school; shinto shrine=shrine gate; stadium; station=train station;
Statue of Liberty; synagogue; tent; Tokyo tower=radio tower; wedding=wedding chapel;
railway track; motorway=highway; camping=campsite; construction=road barrier;
horizontal traffic light; vertical traffic light=traffic light; stop sign; door; elevator; window;
umbrella on ground=beach umbrella; hot springs=hot spring; headstone=gravestone; coffin;
funeral urn; brick=stack of bricks; ladder; #E094=signpost; #E09F=flooded house;
#E089=burning house; #E205=Eiffel Tower; #E20A=television tower; #E20C=coffee shop;
#E212=lighthouse; #E215=Greek temple; #E211=terraced garden; #E203=village; #E2D1=wind turbine;
#E2D4=nuclear power plant; #E1D6=solar panel; #E0A1=radio antenna; #E149=police box;
#E208=stone tower; #E209=town hall
"""

CLOTHES = """
backpack; ballet shoes=pair of ballet shoes; bikini; billed cap=baseball cap; boxing glove;
briefs=pair of briefs; clutch bag; coat; crown; dress; flat shoe=ballet flat;
glasses=pair of glasses; gloves=pair of gloves; goggles=pair of goggles; graduation cap; handbag;
high-heeled shoe; hiking boot; jeans=pair of jeans; kimono; lab coat; lipstick=tube of lipstick;
man’s shoe=leather shoe; martial arts uniform=karate uniform; military helmet;
necktie=shirt and tie/shirts and ties; one-piece swimsuit; purse=coin purse;
rescue worker’s helmet=rescue helmet; ribbon=ribbon bow; ring=diamond ring; running shirt;
running shoe=sneaker; safety vest; sari; scarf; shorts=pair of shorts; socks=pair of socks;
sunglasses=pair of sunglasses; t-shirt=T-shirt; thong sandal=flip-flop; top hat;
woman’s boot=knee-high boot; woman’s clothes=blouse; woman’s hat=sun hat; woman’s sandal=sandal;
diving mask; watch=wristwatch; prayer beads=string of prayer beads;
nail polish=bottle of nail polish; hair pick; folding hand fan; closed umbrella; umbrella;
umbrella with rain drops=umbrella with raindrops/umbrellas with raindrops; briefcase;
luggage=suitcase; shopping bags=shopping bag; reminder ribbon=awareness ribbon; safety pin;
#E14A=motorcycle helmet; #E1CE=smartwatch; #E342=pair of gardening gloves
"""

MUSIC_AND_PLAY = """
accordion; american football=football; badminton=badminton racket; balloon; banjo; baseball;
basketball; boomerang; bow and arrow=bow and arrow/bows and arrows;
bowling=bowling ball with pins; bullseye=dartboard; chess pawn; confetti ball; crystal ball;
cricket game=cricket bat; curling stone; drum; field hockey=field hockey stick; firecracker;
fireworks=burst of fireworks; fishing pole=fishing rod; flag in hole=golf hole; flute;
flying disc=frisbee; game die=die/dice; goal net; guitar; harp; ice hockey=ice hockey stick;
ice skate; jack-o-lantern; Japanese dolls=pair of Japanese dolls; joker=joker card; joystick;
kite; lacrosse=lacrosse stick; long drum; magic wand; maracas=pair of maracas;
mahjong red dragon=mahjong tile; mirror ball=disco ball; musical keyboard=piano keyboard;
musical score=treble clef; nesting dolls=nesting doll; party popper;
performing arts=pair of theater masks; ping pong=ping pong paddle; piñata; pool 8 ball=eight ball;
postal horn=post horn; puzzle piece; rugby football=rugby ball; saxophone; skis=pair of skis;
slot machine; soccer ball; softball; sparkler; sports medal=gold medal; teddy bear;
tennis=tennis ball; ticket; admission tickets=pair of admission tickets; trombone; trophy;
trumpet; video game=game controller; violin; volleyball; water pistol=revolver; wind chime;
yarn=ball of yarn; yo-yo; wrapped gift=wrapped present; artist palette=artist's palette;
framed picture=framed painting; microphone; studio microphone; headphone=pair of headphones;
musical note; triangular flag=pennant; pirate flag; chequered flag=checkered flag;
1st place medal=first-place medal; military medal; flower playing cards=flower playing card;
red paper lantern=paper lantern; red envelope=lucky money envelope; clapper board;
ring buoy=life ring; treasure chest
"""

TOOLS_AND_SCIENCE = """
abacus; adhesive bandage; alarm clock; alembic; amphora; anchor; axe; balance scale; battery;
bomb; broom; bucket; carpentry saw=handsaw; chains=metal chain; clamp; compass;
control knobs=set of control knobs; crossed swords=pair of crossed swords; crutch; dagger;
electric plug; fire extinguisher; flashlight; gear; hammer;
hammer and pick=hammer and pick/hammers and picks;
hammer and wrench=hammer and wrench/hammers and wrenches; hook; key; kitchen knife;
knot=knotted rope; level slider; light bulb; link=chain link; magnet;
magnifying glass tilted left=magnifying glass; microscope; mouse trap=mousetrap;
nut and bolt=nut and bolt/nuts and bolts; oil drum; old key; paintbrush; pen; pencil; crayon;
fountain pen; paperclip; petri dish; pick=pickaxe; pill; plunger; pushpin; razor; round pushpin;
satellite antenna=satellite dish; scissors=pair of scissors; screwdriver; sewing needle; shield;
shovel; sponge; stethoscope; stopwatch; straight ruler=ruler; syringe; telescope; test tube;
thermometer; thread=spool of thread; timer clock; toolbox; triangular ruler=set square;
trident emblem=trident; wrench; x-ray=X-ray; hourglass done=hourglass; locked=padlock; white cane;
police car light=siren; cigarette; chopsticks=pair of chopsticks; hamsa=hamsa amulet;
nazar amulet; menorah; #E140=first-aid kit; #E144=power socket; #E0B1=spray bottle;
#E1C4=security camera; #E1CB=USB cable; #E1D3=circuit board; #E257=funnel; #E318=pair of tweezers;
#E346=trowel; #E347=hatchet; #E345=garden spade; #E0A9=map pin; #E2D3=barrel of nuclear waste;
#E2DA=atomic bomb; #E30C=IV drip; #E307=medicine bottle; #E305=pack of pills;
#E326=pair of crutches; #E0B3=forehead thermometer; #E2CB=pile of oil barrels;
#E2D6=Geiger counter; #E1C8=engine block
"""

HOUSEHOLD = """
basket; bathtub; bed; bell; bellhop bell=desk bell; bookmark; books=stack of books; calendar;
camera; camera with flash=flashing camera; candle; chair; mantelpiece clock=mantel clock;
ballot box with ballot=ballot box; card file box; clipboard; closed book=book; open book; coin;
computer disk=minidisc; computer mouse; couch and lamp=couch with a lamp/couches with lamps;
credit card; desktop computer; diya lamp=oil lamp; dollar banknote=dollar bill; dvd=DVD; envelope;
fax machine; file cabinet=filing cabinet; file folder; film frames=strip of film; film projector;
floppy disk; fork and knife=fork and knife/forks and knives;
fork and knife with plate=dinner plate; spoon; identification card; inbox tray; keyboard;
label=price tag; laptop; lotion bottle; loudspeaker; love letter; megaphone; memo; mirror;
mobile phone; money bag; money with wings=winged banknote; movie camera; newspaper;
rolled-up newspaper; notebook; spiral notepad; open mailbox with raised flag=mailbox;
package=cardboard box; pager; placard; postbox; printer; radio; receipt;
roll of paper=roll of toilet paper; scroll; seat=airplane seat; shower; soap=bar of soap;
telephone=rotary telephone; telephone receiver; television; toilet; toothbrush; video camera;
videocassette=videotape; wastebasket; world map; broken heart;
heart with arrow=heart with an arrow/hearts with arrows;
heart with ribbon=heart with a ribbon/hearts with ribbons; heart on fire; red heart=heart;
speech balloon=speech bubble; thought balloon=thought bubble; bar chart; trackball;
page with curl=curled page; ledger; chart increasing=line chart; card index;
optical disk=compact disc; pile of poo; globe with meridians=wire globe; #E141=armchair;
#E142=landscape painting; #E150=espresso machine; #E151=French press; #E152=moka pot;
#E153=metal jug; #E154=percolator; #E155=coffee maker; #E156=coffee grinder;
#E1CC=tablet computer; #E1CF=washing machine; #E1D1=computer server; #E200=dining table;
#E256=address book; #E2D2=paper bag; #E30F=hot-water bottle; #E32B=bathroom scale; #E262=trash can
"""

KINDS = {
    "vehicle": VEHICLES,
    "building": BUILDINGS,
    "clothes": CLOTHES,
    "play": MUSIC_AND_PLAY,
    "tool": TOOLS_AND_SCIENCE,
    "household": HOUSEHOLD,
}
