//! What people make, drive, play and work with.

use super::{Cost, Department, USUAL};

#[rustfmt::skip] // a shelf a line
pub(super) const CRAFT: Department = Department {
    shelves: &[
        ("Yarn & Wool", ["Merino Yarn", "Cotton Yarn Set", "Chunky Knit Yarn"]),
        ("Crochet Hooks & Needles", ["Crochet Hook Set", "Circular Needles", "Stitch Markers"]),
        ("Fabric by the Yard & Appliqué", ["Quilting Cotton", "Fleece Fabric", "Felt Sheets"]),
        ("Sewing Machines & Notions", ["Sewing Machine", "Thread Set", "Fabric Scissors"]),
        ("Brushes & Canvas", ["Paint Brush Set", "Wooden Easel", "Stretched Canvas"]),
        ("Acrylic, Oil & Water Colours", ["Acrylic Paint Set", "Watercolor Pan", "Oil Paint"]),
        ("Pencils & Markers", ["Colored Pencils", "Alcohol Markers", "Gel Pens"]),
        ("Beads & Findings", ["Glass Seed Beads", "Jump Rings", "Jewelry Pliers"]),
        ("Card Making & Paper Craft", ["Cardstock Pack", "Die Cutting Set", "Washi Tape"]),
        ("Clay & Moulds", ["Polymer Clay", "Epoxy Resin Kit", "Silicone Mold"]),
        ("Candle & Soap Making", ["Soy Wax Flakes", "Candle Making Kit", "Soap Base"]),
        ("Gift Bags & Ribbon", ["Gift Bags", "Satin Ribbon", "Wrapping Paper Roll"]),
        ("Balloons & Banners", ["Balloon Garland Kit", "Birthday Banner", "Paper Fans"]),
    ],
    details: &[
        "Vibrant Colors", "Storage Box", "Non Toxic Pigments", "Ergonomic Handles",
        "Step by Step Guide", "Assorted Sizes", "Smooth Finish", "Acid Free Paper",
    ],
    uses: &[
        "Beginners and Artists", "DIY Crafts", "Kids and Adults", "Scrapbooks", "Party Decoration",
        "Jewelry Making",
    ],
    cost: Cost::Cheap,
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const MOTORING: Department = Department {
    shelves: &[
        ("Wheels & Inflators", ["Tire Inflator", "Wheel Cover", "Lug Nut Set"]),
        ("Engine Oil & Additives", ["Synthetic Motor Oil", "Fuel Cleaner", "Oil Filter"]),
        ("Brakes & Suspension", ["Brake Pads", "Shock Absorber", "Control Arm"]),
        ("Batteries & Jump Starters", ["Jump Starter", "Battery Charger", "Jumper Cables"]),
        ("Car Wash & Polish", ["Car Wash Soap", "Microfiber Towels", "Ceramic Coating"]),
        ("Seat Covers & Floor Liners", ["Seat Covers", "Floor Liner", "Trunk Organizer"]),
        ("Head, Tail & Fog Lamps", ["LED Headlight Bulb", "Fog Light", "Tail Light"]),
        ("Dash Cams & Car Audio", ["Dash Cam", "Car Stereo", "Car Subwoofer"]),
        ("Towing & Roof Racks", ["Trailer Hitch", "Roof Rack", "Cargo Carrier"]),
        ("Motorbike Gear", ["Motorcycle Helmet", "Riding Gloves", "Motorcycle Cover"]),
        ("Campervan Equipment", ["RV Awning", "RV Water Filter", "Leveling Blocks"]),
        ("Diagnostic & Garage Tools", ["OBD2 Scanner", "Floor Jack", "Torque Wrench"]),
    ],
    details: &[
        "OEM Replacement Fit", "Quick Install Kit", "6000K White Light", "Universal Fit",
        "IP67 Waterproof Rating", "12V Power", "All Weather Protection", "Direct Fit Bracket",
    ],
    uses: &[
        "Cars Trucks and SUVs", "Driver and Passenger Side", "Most Vehicles", "Motorcycle and ATV",
        "RV and Trailer",
    ],
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const COMPUTING: Department = Department {
    shelves: &[
        ("Notebooks & Ultrabooks", ["Laptop Computer", "Business Notebook", "2 in 1 Laptop"]),
        ("Desktop PCs", ["Mini PC", "Gaming Desktop", "All in One Desktop"]),
        ("Slates & Drawing Tablets", ["Android Tablet", "Drawing Tablet", "Stylus Pen"]),
        ("Screens & Mounts", ["Curved Monitor", "Portable Monitor", "Monitor Arm"]),
        ("Keyboards & Mice", ["Mechanical Keyboard", "Wireless Mouse", "Keyboard Cover"]),
        ("Solid State & Hard Drives", ["NVMe SSD", "External Hard Drive", "SSD Enclosure"]),
        ("Memory Sticks & Cards", ["USB Flash Drive", "Micro SD Card", "Card Reader"]),
        ("Graphics Cards & Processors", ["Graphics Card", "Desktop Processor", "CPU Cooler"]),
        ("RAM, Boards & Cases", ["DDR4 Memory", "Motherboard", "Mid Tower Case"]),
        ("Routers & Cables", ["WiFi 6 Router", "Ethernet Switch", "Cat 8 Cable"]),
        ("Printers & Toner", ["Toner Cartridge", "Laser Printer", "Ink Cartridge"]),
        ("Docks & Adapters", ["USB C Hub", "Docking Station", "Display Adapter"]),
        ("Rack Servers", ["Rack Server", "Server Rail Kit", "Hot Swap Drive Tray"]),
    ],
    details: &[
        "16GB RAM and 512GB SSD", "RGB Backlight", "USB C Power Delivery", "Full HD Display",
        "Bluetooth 5.0", "Gigabit Ethernet", "Low Latency", "Aluminum Housing",
        "Plug and Play Setup", "165Hz Refresh Rate",
    ],
    uses: &["Windows and Mac", "Home Office", "PC Gaming", "Laptop and Desktop", "Students"],
    cost: Cost::Dear,
    upright: true,
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const SOUND_AND_VISION: Department = Department {
    shelves: &[
        ("Earphones & Headsets", ["Wireless Earbuds", "Noise Cancelling Headphones", "Headset"]),
        ("Loudspeakers & Soundbars", ["Bluetooth Speaker", "Soundbar", "Bookshelf Speakers"]),
        ("TVs & Streaming Boxes", ["4K Smart TV", "Streaming Stick", "TV Wall Mount"]),
        ("Beamers & Projection Screens", ["Mini Projector", "Projection Screen", "Ceiling Mount"]),
        ("Cameras, Lenses & Tripods", ["Digital Camera", "Camera Tripod", "Prime Lens"]),
        ("Phones & Cases", ["Phone Case", "Screen Protector", "Unlocked Smartphone"]),
        ("Chargers & Power Banks", ["Power Bank", "Fast Charger", "Charging Cable"]),
        ("Smartwatches & Trackers", ["Smart Watch", "Fitness Tracker", "Watch Band"]),
        ("E-Readers & Covers", ["E Reader Cover", "Reading Stand", "E Reader"]),
        ("Radios & Players", ["Turntable", "Portable Radio", "MP3 Player"]),
        ("Satnavs & Handheld GPS", ["GPS Navigator", "Handheld GPS", "GPS Tracker"]),
    ],
    details: &[
        "Active Noise Cancelling", "40H Playtime", "IPX7 Waterproof Rating", "Deep Bass",
        "Built in Microphone", "HDMI and USB Ports", "Shockproof Bumper", "Fast Wireless Charging",
        "Touch Control", "Heart Rate Monitor",
    ],
    uses: &["iPhone and Android", "Home Theater", "Sports and Running", "Travel", "TV and PC"],
    cost: Cost::Dear,
    upright: true,
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const WORKSHOP: Department = Department {
    shelves: &[
        ("Bolts, Nuts & Washers", ["Hex Bolt Assortment", "Lock Nut", "Stainless Washer"]),
        ("Drill Bits & End Mills", ["Carbide End Mill", "Cobalt Drill Bit", "Hole Saw Kit"]),
        ("Glues & Sealants", ["Epoxy Adhesive", "Duct Tape", "Silicone Sealant"]),
        ("Sandpaper & Grinding Wheels", ["Sanding Discs", "Grinding Wheel", "Flap Disc"]),
        ("Bearings & Gears", ["Ball Bearing", "Timing Belt", "Spur Gear"]),
        ("Casters & Lifting", ["Swivel Caster", "Hand Truck", "Lifting Sling"]),
        ("Hoses & Gauges", ["Hydraulic Hose", "Transfer Pump", "Pressure Gauge"]),
        ("Metal Rod, Sheet & Tube", ["Aluminum Sheet", "Steel Rod", "Brass Tube"]),
        ("Multimeters & Calipers", ["Digital Multimeter", "Digital Caliper", "Clamp Meter"]),
        ("Flasks & Microscopes", ["Microscope", "Pipette Tips", "Glass Beaker Set"]),
        ("3D Printers & Filament", ["PLA Filament", "3D Printer", "Printer Nozzle Kit"]),
        ("Gloves & Respirators", ["Nitrile Gloves", "Safety Glasses", "Respirator Mask"]),
        ("Cartons, Mailers & Labels", ["Poly Mailers", "Thermal Labels", "Shipping Boxes"]),
        ("Shop Fittings, Price Guns & Packaging Dispensers", ["Clothes Rail", "Price Gun", "Tape"]),
    ],
    details: &[
        "Zinc Plated Finish", "High Speed Steel", "Powder Free Material", "Self Adhesive Backing",
        "Auto Ranging", "Inch and Metric Scale", "Female Thread", "Fine Grit",
        "Double Sealed Bearings", "Dimensional Accuracy",
    ],
    uses: &[
        "Industrial Use", "Metal and Wood", "Lab and Classroom", "Small Business", "Mechanics",
        "CNC Machines",
    ],
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const SPORT: Department = Department {
    shelves: &[
        ("Dumbbells, Mats & Bands", ["Adjustable Dumbbell", "Yoga Mat", "Resistance Bands"]),
        ("Treadmills & Exercise Bikes", ["Walking Pad", "Exercise Bike", "Mini Stepper"]),
        ("Bicycles & Parts", ["Mountain Bike", "Bike Saddle", "Bike Light Set"]),
        ("Tents & Sleeping Bags", ["Camping Tent", "Sleeping Bag", "Air Mattress"]),
        ("Rods & Lures", ["Spinning Reel", "Fishing Rod", "Fishing Lure Kit"]),
        ("Archery & Darts", ["Recurve Bow", "Dart Board", "Carbon Arrows"]),
        ("Balls & Team Kit", ["Soccer Ball", "Basketball", "Batting Gloves"]),
        ("Golf", ["Golf Balls", "Putting Mat", "Golf Glove"]),
        ("Swimming & Snorkelling", ["Swim Goggles", "Snorkel Set", "Paddle Board"]),
        ("Skis, Skates & Sledges", ["Ice Skates", "Ski Goggles", "Snow Sled"]),
        ("Boxing & Martial Arts", ["Boxing Gloves", "Punching Bag", "Karate Uniform"]),
        ("Torches & Survival Gear", ["LED Flashlight", "Survival Kit", "Paracord Rope"]),
    ],
    details: &[
        "Carry Bag", "Non Slip Grip", "Shock Absorption", "LCD Display", "Anti Fog Lens",
        "Lightweight Aluminum", "Quick Setup", "Extra Thick Padding", "Breathable Material",
    ],
    uses: &[
        "Home Gym", "Camping and Hiking", "Men and Women", "Youth and Adults", "Outdoor Sports",
        "Fishing Trips",
    ],
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const TOYS: Department = Department {
    shelves: &[
        ("Bricks & Construction Sets", ["Building Blocks", "Magnetic Tiles", "Marble Run"]),
        ("Dolls & Doll Houses", ["Fashion Doll", "Doll House", "Doll Clothes Set"]),
        ("Action Heroes", ["Action Figure", "Superhero Playset", "Collectible Figure"]),
        ("Board & Card Games", ["Board Game", "Card Game", "Strategy Game"]),
        ("Jigsaws & Brain Teasers", ["1000 Piece Puzzle", "Wooden Puzzle", "Speed Cube"]),
        ("Soft Toys & Teddies", ["Plush Toy", "Teddy Bear", "Weighted Plush"]),
        ("Toy Kitchens & Shops", ["Play Kitchen", "Toy Cash Register", "Play Food Set"]),
        ("Remote Control Models", ["RC Car", "Mini Drone", "RC Boat"]),
        ("Toy Cars & Garages", ["Die Cast Car", "Race Track Set", "Toy Garage"]),
        ("Toy Trains & Tracks", ["Wooden Train Set", "Toy Train", "Track Expansion Pack"]),
        ("Diggers & Farm Toys", ["Dump Truck", "Toy Tractor", "Excavator Toy"]),
        ("Science & Discovery Kits", ["Science Kit", "Crystal Growing Kit", "Solar Robot"]),
        ("Slime, Putty & Fidgets", ["Slime Kit", "Fidget Pack", "Pop Bubble Toy"]),
        ("Scooters & Ride Ons", ["Kick Scooter", "Balance Bike", "Ride On Car"]),
        ("Sandpit & Garden Play", ["Sand Toys", "Water Table", "Bubble Machine"]),
        ("Party Bags & Favours", ["Party Favors", "Goody Bags", "Prize Box Toys"]),
    ],
    details: &[
        "Lights and Sounds", "Storage Bag", "Bright Colors", "Realistic Details",
        "Safe Rounded Corners", "STEM Learning", "Rechargeable Batteries", "Bonus Accessories",
        "Easy Grip Pieces",
    ],
    uses: &[
        "Boys and Girls", "Toddlers 1 to 3", "Kids Ages 4 to 8", "Birthday Gift",
        "Family Game Night", "Classroom Prizes",
    ],
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const GAMES: Department = Department {
    shelves: &[
        ("Handheld Consoles", ["Handheld Console", "Console Skin", "Grip Case"]),
        ("Living Room Consoles", ["Game Console", "Console Stand", "Cooling Fan Dock"]),
        ("Gamepads & Joysticks", ["Wireless Controller", "Flight Stick", "Thumb Grips"]),
        ("Racing Wheels & Pedals", ["Racing Wheel", "Pedal Set", "Wheel Stand"]),
        ("VR Goggles", ["VR Headset", "VR Head Strap", "Lens Cover"]),
        ("Retro & Arcade", ["Retro Console", "Arcade Stick", "Game Cartridge"]),
        ("Game Discs & Downloads", ["Adventure Game", "Racing Game", "Puzzle Game"]),
        ("Gaming Chairs & Desks", ["Gaming Chair", "Gaming Desk", "RGB Mouse Pad"]),
    ],
    details: &[
        "Dual Vibration", "Turbo Function", "Charging Dock", "LED Lights", "Programmable Buttons",
        "6 Axis Gyro", "Lumbar Support", "Anti Slip Grip",
    ],
    uses: &["PC and Console", "Gamers", "Kids and Adults", "Travel", "Esports"],
    upright: true,
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const OFFICE: Department = Department {
    shelves: &[
        ("Notepads, Diaries & Planners", ["Weekly Planner", "Lined Journal", "Sticky Notes"]),
        ("Folders & Filing", ["File Folders", "Document Organizer", "Binder Dividers"]),
        ("Staplers & Desk Trays", ["Desk Organizer", "Stapler Set", "Hole Punch"]),
        ("Whiteboards & Easel Pads", ["Dry Erase Board", "Easel Pad", "Bulletin Board"]),
        ("Calculators & Label Makers", ["Label Maker", "Scientific Calculator", "Label Tape"]),
        ("Guitars & Strings", ["Acoustic Guitar", "Guitar Strings", "Ukulele"]),
        ("Pianos, Drums & Microphones", ["Digital Piano", "Drum Sticks", "Condenser Microphone"]),
        ("Greeting & Gift Vouchers", ["Thank You Cards", "Greeting Card Set", "Gift Voucher"]),
    ],
    details: &[
        "Envelopes", "Hardcover Binding", "Thick Paper", "Adhesive Back", "Magnetic Frame",
        "Gig Bag and Tuner", "Monthly Tabs", "Multiple Compartments",
    ],
    uses: &["Office and School", "Teachers", "Students", "Home Office", "Beginners"],
    ..USUAL
};
