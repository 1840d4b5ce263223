"""The living and natural things a scene may hold: kind -> "emoji name=name in a prompt; ...".

Without `=` the emoji's own name is the prompt's name. `#E006` is one of OpenMoji's own drawings,
which the emoji package does not name. A `/` gives a plural that no rule would find.
"""

ANIMALS = """
ant; badger; bat; bear; beaver; beetle; bird; bison; blowfish=pufferfish; boar=wild boar;
bug=caterpillar; butterfly; camel=one-humped camel; cat; chicken=hen; chipmunk; cockroach; cow;
crab; cricket; crocodile; deer; dodo; dog; dolphin; donkey; dove; dragon; duck; eagle; elephant;
ewe=sheep; fish; flamingo; fly; fox; frog; front-facing baby chick=chick; giraffe; goat; goose;
gorilla; guide dog; hamster; hatching chick; hedgehog; hippopotamus; honeybee; horse; jellyfish;
kangaroo; koala; lady beetle=ladybug; leopard; lion; lizard; llama; lobster; mammoth; monkey;
moose; mosquito; mouse; octopus; orangutan; orca; otter; owl; ox; oyster; panda; parrot; peacock;
penguin; phoenix; pig; polar bear; poodle; rabbit; raccoon; ram; rat; rhinoceros; rooster;
sauropod=long-necked dinosaur; scorpion; seal; shark; shrimp; skunk; sloth; snail; snake; spider;
spouting whale; squid; swan; T-Rex=tyrannosaurus; tiger; tropical fish; turkey; turtle;
two-hump camel=two-humped camel; unicorn; water buffalo; whale; wolf; worm=earthworm; zebra;
service dog; baby chick=chick's head; black bird=blackbird; cow face=cow's head;
dragon face=dragon's head; horse face=horse's head; mouse face=mouse's head; pig face=pig's head;
rabbit face=rabbit's head; tiger face=tiger's head; dog face=puppy; cat face=kitten;
monkey face=monkey's head;
see-no-evil monkey=monkey covering its eyes/monkeys covering their eyes;
hear-no-evil monkey=monkey covering its ears/monkeys covering their ears;
speak-no-evil monkey=monkey covering its mouth/monkeys covering their mouths; grinning cat;
smiling cat with heart-eyes=cat with heart eyes; crying cat; weary cat=shocked cat;
pig nose=pig's snout; #E000=goldfish; #E006=narwhal; #E007=beluga whale; #E008=porpoise;
#E010=macaw; carp streamer; hairy creature=bigfoot
"""

PLANTS = """
bouquet=bouquet of flowers; cactus; cherry blossom; Christmas tree; deciduous tree=leafy tree;
evergreen tree=pine tree; blossom=daisy; fallen leaf=fallen leaf;
four leaf clover=four-leaf clover; herb=sprig of leaves; hibiscus; hyacinth;
leaf fluttering in wind=windblown leaf; leafless tree=bare tree; lotus=lotus flower; maple leaf;
mushroom; brown mushroom; palm tree; pine decoration=bamboo decoration; potted plant; rose;
rosette; seedling; shamrock; sheaf of rice; sunflower; tanabata tree=bamboo stalk; tulip;
wilted flower; wood=wooden log; coral=branch of coral; chestnut; beans=handful of beans;
#E002=poppy; #E08A=burning tree; empty nest=empty bird's nest; nest with eggs
"""

FOOD = """
avocado; bacon=strip of bacon; bagel; baguette bread=baguette; banana; beer mug=mug of beer;
bell pepper; bento box; beverage box=juice box; birthday cake; blueberries=bunch of blueberries;
bowl with spoon=bowl of cereal; bread=loaf of bread; broccoli=head of broccoli;
bubble tea=cup of bubble tea; burrito; butter=stick of butter; candy=piece of candy;
canned food=tin can; carrot; cheese wedge=wedge of cheese; cherries=pair of cherries;
chocolate bar; clinking beer mugs=pair of beer mugs; clinking glasses=pair of champagne glasses;
cocktail glass; coconut; cooked rice=bowl of rice; cookie;
cooking=frying pan with an egg/frying pans with eggs; croissant; cucumber;
cup with straw=paper cup with a straw/paper cups with straws; cupcake; curry rice=plate of curry;
custard=caramel pudding; cut of meat=steak; dango=skewer of dango; doughnut=donut; dumpling;
ear of corn; egg; eggplant; falafel=plate of falafel; fish cake with swirl=fish cake; flatbread;
fondue=pot of fondue; fortune cookie; french fries=box of french fries; fried shrimp=fried prawn;
garlic=bulb of garlic; ginger root; glass of milk; grapes=bunch of grapes;
green salad=bowl of salad; hamburger; honey pot=jar of honey; hot beverage=cup of coffee; hot dog;
hot pepper=chili pepper; ice=ice cube; ice cream=bowl of ice cream; jar; kiwi fruit=kiwi;
leafy green=head of lettuce; lemon; lime=lime wedge; lollipop; mango; mate=cup of mate;
meat on bone=leg of roast meat; melon=slice of melon; moon cake=mooncake; oden=skewer of oden;
olive; onion; pancakes=stack of pancakes; pea pod; peach; peanuts=peanut; pear; pie; pineapple;
pizza=slice of pizza; popcorn=box of popcorn; pot of food=bowl of stew; potato;
poultry leg=chicken drumstick; pretzel; red apple=apple; rice ball; rice cracker;
roasted sweet potato=sweet potato; sake=bottle of sake; salt=salt shaker; sandwich;
shallow pan of food=pan of paella; shaved ice=bowl of shaved ice;
shortcake=slice of strawberry cake; soft ice cream=ice cream cone; spaghetti=plate of spaghetti;
steaming bowl=bowl of noodle soup; strawberry; stuffed flatbread=pita sandwich;
sushi=piece of sushi; taco; takeout box; tamale; tangerine;
teacup without handle=cup of green tea; teapot; tomato; tropical drink;
tumbler glass=glass of whiskey; waffle; watermelon=slice of watermelon; wine glass=glass of wine;
bottle with popping cork=champagne bottle; root vegetable=beetroot; baby bottle;
pouring liquid=glass pitcher; #E0C0=slice of orange; #E0C5=glass of iced coffee;
#E0C6=coffee bean; #E0C7=bundt cake; #E0C9=sliced mushroom; #E0CA=loaf of rye bread;
#E0CB=glass bottle; #E0CC=water bottle; #E1C9=raspberry; #E0C4=pomegranate
"""

SKY_AND_EARTH = """
cloud; cloud with lightning=thundercloud; cloud with rain=rain cloud; cloud with snow=snow cloud;
cloud with lightning and rain=storm cloud; comet; crescent moon; droplet=drop of water;
fire=campfire flame; full moon; full moon face=moon with a face/moons with faces;
high voltage=lightning bolt; mountain; new moon face=dark moon with a face/dark moons with faces;
rainbow; ringed planet; rock; shooting star; snow-capped mountain=snowy mountain; snowflake; star;
glowing star; sun; sun behind cloud=cloud hiding the sun;
sun behind rain cloud=rain cloud hiding the sun; sun with face=sun with a face/suns with faces;
tornado; volcano; water wave=ocean wave; globe showing Europe-Africa=planet Earth/planet Earths;
cyclone=spiral; spider web; spiral shell=seashell; feather; bone; paw prints=trail of paw prints;
footprints=trail of footprints; bubbles=cluster of bubbles; gem stone=gemstone; desert island;
wind face=blowing cloud; wing=feathered wing; sparkles=cluster of sparkles;
splatter=paint splatter; collision=explosion; dashing away=puff of smoke; drop of blood;
anatomical heart=human heart; brain; lungs=pair of lungs; ear=human ear; eye=human eye;
eyes=pair of eyes; foot=bare foot; leg=bare leg; nose; mouth; tongue; tooth;
flexed biceps=flexed arm; fingerprint; microbe; dna=strand of DNA; mechanical arm=robotic arm;
mechanical leg=robotic leg; raised fist; thumbs up=thumbs-up hand; waving hand; handshake;
folded hands=pair of folded hands; clapping hands=pair of clapping hands; hole=hole in the ground;
#E20D=black hole; #E20F=group of pyramids; #E2C0=iceberg; #E2C1=ice floe; #E011=bacterium;
#E313=human stomach; #E316=human kidney; #E312=human liver
"""

PEOPLE = """
artist=painter; astronaut; baby; ballet dancer; boy; cook=chef; construction worker;
cowboy hat face=cowboy; clown face=clown; detective; elf; factory worker=welder; fairy; farmer;
firefighter; genie; girl; guard=royal guard; health worker=doctor; judge; mage=wizard; man;
mechanic; mermaid; merman; ninja; office worker; older person=elderly person; old man;
old woman=grandmother; person biking=cyclist; person bouncing ball=basketball player;
person cartwheeling=gymnast; person climbing=rock climber; person fencing=fencer;
person golfing=golfer; person in lotus position=person meditating/people meditating;
person juggling=juggler; person lifting weights=weightlifter;
person mountain biking=mountain biker; person playing handball=handball player;
person playing water polo=water polo player; person rowing boat=rower; person running=runner;
person surfing=surfer; person swimming=swimmer;
person in manual wheelchair=person in a wheelchair/people in wheelchairs;
person walking=pedestrian; person taking bath=person in a bathtub/people in bathtubs;
person in bed=person asleep in bed;
person in suit levitating=levitating man in a suit/levitating men in suits; pilot; police officer;
prince; princess; Santa Claus=Santa Claus/Santa Clauses; scientist; singer; skier; snowboarder;
student; superhero; supervillain; teacher; technologist=programmer; troll; vampire; woman;
woman dancing=flamenco dancer; man dancing=disco dancer;
woman with headscarf=woman in a headscarf/women in headscarves; person with veil=bride;
person in tuxedo=groom; person wearing turban=person in a turban/people in turbans;
person with skullcap=man in a skullcap/men in skullcaps;
person with white cane=person with a white cane/people with white canes;
person with crown=monarch; pregnant woman; horse racing=jockey;
people wrestling=pair of wrestlers; people with bunny ears=pair of dancers in bunny ears; zombie;
alien; alien monster=pixel monster; ghost; goblin=long-nosed goblin mask; ogre=ogre mask; robot;
skull; snowman; snowman without snow=small snowman; baby angel=angel;
people hugging=couple hugging/couples hugging; family;
breast-feeding=mother nursing a baby/mothers nursing babies; person standing=person;
bust in silhouette=silhouette of a person/silhouettes of people; person kneeling; person bowing;
person getting haircut=person getting a haircut/people getting haircuts;
person raising hand=person with a raised hand/people with raised hands; person shrugging;
#E182=dog walker; #E184=horse rider; #E185=barista; #E189=windsurfer; #E302=nurse;
#E2D9=diver in a gas mask/divers in gas masks; #E340=gardener; #E2C8=polar explorer
"""

KINDS = {
    "animal": ANIMALS,
    "plant": PLANTS,
    "food": FOOD,
    "nature": SKY_AND_EARTH,
    "person": PEOPLE,
}
