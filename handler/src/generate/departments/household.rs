//! What homes, gardens and the animals in them need.

use super::{Cost, Department, USUAL};

#[rustfmt::skip] // a shelf a line
pub(super) const KITCHEN: Department = Department {
    shelves: &[
        ("Pots, Pans & Woks", ["Nonstick Frying Pan", "Stock Pot", "Carbon Steel Wok"]),
        ("Baking Tins & Moulds", ["Cake Pan Set", "Silicone Baking Mold", "Cookie Sheet"]),
        ("Knives & Cutting Boards", ["Chef Knife", "Bamboo Cutting Board", "Knife Sharpener"]),
        ("Café & Espresso Equipment", ["Espresso Machine", "Milk Frother", "Coffee Grinder"]),
        ("Kettles & Grills", ["Electric Kettle", "2 Slice Toaster", "Contact Grill"]),
        ("Blenders & Food Processors", ["Personal Blender", "Food Processor", "Stand Mixer"]),
        ("Tableware & Serving Dishes", ["Dinnerware Set", "Serving Platter", "Soup Bowls"]),
        ("Glasses & Tumblers", ["Wine Glasses", "Insulated Tumbler", "Ceramic Mug"]),
        ("Cutlery", ["Flatware Set", "Steak Knives", "Serving Spoons"]),
        ("Food Storage & Lunch Boxes", ["Food Containers", "Bento Lunch Box", "Mason Jars"]),
        ("Utensils & Gadgets", ["Garlic Press", "Measuring Cups", "Vegetable Peeler"]),
        ("Wine & Bar Accessories", ["Wine Opener", "Cocktail Shaker Set", "Whiskey Stones"]),
        ("Ovens & Dishwashers", ["Mini Fridge", "Air Fryer Oven", "Ice Maker"]),
    ],
    details: &[
        "Stainless Steel Blade", "Dishwasher Safe Parts", "Heat Resistant Handle", "Airtight Lids",
        "Nonstick Coating", "BPA Free Plastic", "Ergonomic Grip", "Recipe Book", "Easy Pour Spout",
        "Auto Shut Off",
    ],
    uses: &[
        "Home and Kitchen", "Baking and Cooking", "Housewarming Gift", "Restaurant and Bar",
        "Camping and RV", "Meal Prep",
    ],
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const HOME: Department = Department {
    shelves: &[
        ("Sheets, Duvets & Pillows", ["Sheet Set", "Down Comforter", "Memory Foam Pillow"]),
        ("Mattresses & Toppers", ["Foam Mattress", "Mattress Topper", "Mattress Protector"]),
        ("Towels & Bath Mats", ["Bath Towel Set", "Bath Mat", "Shower Curtain"]),
        ("Sofas, Chairs & Tables", ["Accent Chair", "Coffee Table", "Convertible Sofa"]),
        ("Bookcases & Shelving", ["Floating Shelf", "Bookcase", "Corner Shelf Unit"]),
        ("Lamps & Shades", ["Table Lamp", "Floor Lamp", "Pendant Light"]),
        ("Curtains & Blinds", ["Blackout Curtains", "Roller Blind", "Curtain Rod"]),
        ("Rugs & Runners", ["Area Rug", "Runner Rug", "Door Mat"]),
        ("Framed Prints & Canvas Art", ["Canvas Print", "Picture Frame", "Metal Wall Sign"]),
        ("Candles & Home Scents", ["Scented Candle", "Reed Diffuser", "Flameless Candles"]),
        ("Vases & Ornaments", ["Ceramic Vase", "Wall Clock", "Resin Figurine"]),
        ("Christmas & Holiday Trimmings", ["Christmas Tree", "String Lights", "Door Wreath"]),
        ("Boxes & Hangers", ["Storage Bins", "Woven Basket", "Velvet Hangers"]),
        ("Floor Sweepers & Steam Mops", ["Cordless Vacuum", "Steam Mop", "Spin Mop and Bucket"]),
        ("Fans & Dehumidifiers", ["Tower Fan", "Space Heater", "Dehumidifier"]),
    ],
    details: &[
        "Machine Washable Cover", "Solid Wood Legs", "Deep Pockets", "Rustic Farmhouse Style",
        "Easy Assembly", "Remote Control", "Non Slip Backing", "Metal Frame", "Modern Design",
        "Hidden Storage Space",
    ],
    uses: &[
        "Living Room Bedroom", "Small Spaces", "Home Office", "Dorm Room", "Dining Room",
        "Indoor and Outdoor",
    ],
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const PETS: Department = Department {
    shelves: &[
        ("Dog Beds & Crates", ["Orthopedic Dog Bed", "Folding Dog Crate", "Cooling Mat"]),
        ("Dog Collars & Leads", ["Dog Harness", "Retractable Leash", "Training Collar"]),
        ("Dog Food & Treats", ["Dental Chews", "Grain Free Dog Food", "Training Treats"]),
        ("Dog Toys", ["Squeaky Toy", "Rope Chew Toy", "Treat Puzzle"]),
        ("Cat Trees & Scratchers", ["Cat Tree", "Scratching Post", "Window Perch"]),
        ("Cat Litter & Trays", ["Clumping Litter", "Covered Litter Box", "Litter Mat"]),
        ("Cat Food & Toys", ["Wet Cat Food", "Catnip Mice", "Feather Wand"]),
        ("Aquariums & Pumps", ["Aquarium Filter", "Fish Tank Light", "Air Pump"]),
        ("Bird Cages & Seed", ["Bird Cage", "Parrot Perch", "Millet Spray"]),
        ("Hutches, Hay & Hamster Homes", ["Rabbit Hutch", "Timothy Hay", "Hamster Wheel"]),
        ("Terrariums & Heat Mats", ["Glass Terrarium", "Heat Mat", "Reptile Carpet"]),
        ("Saddles & Stable Care", ["Saddle Pad", "Horse Halter", "Grooming Kit"]),
    ],
    details: &[
        "Removable Washable Cover", "Reflective Stitching", "Chew Resistant Material",
        "Anti Slip Bottom", "Real Chicken", "Quiet Motor", "Adjustable Buckle", "Odor Control",
    ],
    uses: &[
        "Small Medium Large Dogs", "Indoor Cats", "Puppies and Kittens", "Fish Tanks",
        "Small Animals", "Outdoor Walks",
    ],
    cost: Cost::Cheap,
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const SMART_HOME: Department = Department {
    shelves: &[
        ("Connected Bulbs & Strips", ["Smart Light Bulb", "LED Strip Lights", "Smart Lamp"]),
        ("Connected Plugs & Switches", ["Smart Plug", "Dimmer Switch", "Smart Power Strip"]),
        ("Doorbells & Entry Cameras", ["Video Doorbell", "Doorbell Chime", "Entry Keypad"]),
        ("Indoor & Outdoor Cameras", ["Security Camera", "Pan Tilt Camera", "Floodlight Camera"]),
        ("Speakers & Hubs", ["Smart Speaker", "Smart Home Hub", "Remote Controller"]),
        ("Robot Cleaners", ["Robot Vacuum", "Robot Mop", "Replacement Brush Set"]),
        ("Thermostats & Air Sensors", ["Smart Thermostat", "Air Quality Monitor", "Leak Sensor"]),
        ("Mesh Routers & Repeaters", ["Mesh WiFi System", "WiFi Extender", "Travel Router"]),
    ],
    details: &[
        "Voice Control", "No Hub Required", "Motion Detection", "Night Vision", "App Scheduling",
        "2.4GHz WiFi", "Two Way Audio", "Energy Monitoring",
    ],
    uses: &["Home Security", "Bedroom and Kitchen", "iOS and Android", "Apartments", "Front Door"],
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const REPAIRS: Department = Department {
    shelves: &[
        ("Drills & Sanders", ["Cordless Drill", "Circular Saw", "Orbital Sander"]),
        ("Spanners & Hammers", ["Socket Wrench Set", "Pliers Set", "Claw Hammer"]),
        ("Tool Chests & Belts", ["Rolling Tool Chest", "Tool Belt", "Parts Organizer"]),
        ("Screws & Hooks", ["Wood Screws", "Wall Hooks", "Picture Hanging Kit"]),
        ("Wall Paint & Rollers", ["Paint Roller Kit", "Chalk Paint", "Painters Tape"]),
        ("Wallpaper & Tiles", ["Peel and Stick Wallpaper", "Vinyl Tile", "Backsplash Sticker"]),
        ("Taps, Sinks & Showers", ["Kitchen Faucet", "Shower Head", "Undermount Sink"]),
        ("Pipes & Fittings", ["Ball Valve", "PEX Fitting", "Drain Snake"]),
        ("Sockets & Breakers", ["Wall Outlet", "Extension Cord", "Circuit Breaker"]),
        ("LED & Halogen Lamps", ["LED Bulb", "Recessed Light", "Tube Light"]),
        ("Door Handles & Locks", ["Door Lever", "Cabinet Hinge", "Deadbolt Lock"]),
        ("Ladders & Work Platforms", ["Step Ladder", "Telescoping Ladder", "Work Platform"]),
        ("Tape Measures & Lasers", ["Laser Level", "Tape Measure", "Stud Finder"]),
    ],
    details: &[
        "Brushless Motor", "Brushed Nickel Finish", "Mounting Hardware", "Solid Brass Construction",
        "Heavy Duty Steel", "Soft White Light", "Magnetic Tips", "Oil Rubbed Bronze",
        "Two Batteries and Charger", "Quick Release Chuck",
    ],
    uses: &[
        "Home Improvement", "Bathroom and Kitchen", "Woodworking", "DIY Projects",
        "Garage and Basement", "Contractors",
    ],
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const GARDEN: Department = Department {
    shelves: &[
        ("Mowers, Trimmers & Blowers", ["Cordless Trimmer", "Leaf Blower", "Push Mower"]),
        ("Hoses & Watering", ["Expandable Hose", "Drip Irrigation Kit", "Watering Can"]),
        ("Planters & Seeds", ["Plant Pot Set", "Wildflower Seeds", "Raised Bed"]),
        ("Patio Seats & Parasols", ["Patio Chair Set", "Patio Umbrella", "Hammock"]),
        ("Barbecues & Fire Pits", ["Charcoal Grill", "Fire Pit", "Grill Cover"]),
        ("Greenhouses & Sheds", ["Walk in Greenhouse", "Storage Shed", "Cold Frame"]),
        ("Lanterns & Path Lights", ["Solar Path Lights", "Lantern", "Solar String Lights"]),
        ("Pools & Ponds", ["Pool Filter", "Pond Pump", "Inflatable Pool"]),
    ],
    details: &[
        "Weatherproof Cover", "Solar Panel", "UV Resistant Fabric", "Rust Proof Frame",
        "Drainage Holes", "Adjustable Nozzle", "All Season Use", "Ground Stakes",
    ],
    uses: &["Backyard and Patio", "Lawn and Garden", "Vegetables", "Deck and Porch", "Pathway"],
    ..USUAL
};
