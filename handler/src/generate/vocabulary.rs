//! Words that any department may use.

/// Beginnings and ends of invented brands; every pair of them is one.
pub(super) const BRAND_HEADS: [&str; 48] = [
    "Al", "Bel", "Bri", "Cor", "Cal", "Dor", "Den", "El", "Fen", "Fir", "Gal", "Gor", "Hal", "Hex",
    "Il", "Jun", "Kal", "Kor", "Lum", "Lor", "Mar", "Mel", "Nor", "Nim", "Ol", "Or", "Pel", "Pri",
    "Quin", "Ral", "Ros", "Sol", "Sel", "Tam", "Tor", "Ul", "Ur", "Val", "Ver", "Wal", "Win",
    "Xan", "Yar", "Yel", "Zan", "Zor", "Thal", "Bran",
];
pub(super) const BRAND_TAILS: [&str; 40] = [
    "ano", "bex", "by", "dale", "dex", "do", "don", "era", "fix", "ford", "gon", "ia", "ika",
    "ino", "ix", "kin", "lex", "lo", "ly", "mer", "mira", "mo", "nova", "ora", "pax", "quo", "ra",
    "rix", "sen", "sky", "so", "tec", "tia", "to", "vana", "vio", "wick", "wood", "xo", "zen",
];

pub(super) const ADJECTIVES: [&str; 32] = [
    "Premium",
    "Classic",
    "Portable",
    "Heavy Duty",
    "Large",
    "Small",
    "Upgraded",
    "Professional",
    "Adjustable",
    "Lightweight",
    "Compact",
    "Original",
    "Deluxe",
    "Modern",
    "Vintage",
    "Extra Large",
    "Multi Purpose",
    "Durable",
    "Waterproof",
    "Reusable",
    "Foldable",
    "Mini",
    "Essential",
    "Elegant",
    "Handmade",
    "Replacement",
    "Universal",
    "Soft",
    "Slim",
    "Double",
    "Ultra",
    "Everyday",
];

pub(super) const MATERIALS: [&str; 24] = [
    "Stainless Steel",
    "Cotton",
    "Genuine Leather",
    "Bamboo",
    "Silicone",
    "Aluminum Alloy",
    "Polyester",
    "Tempered Glass",
    "Ceramic",
    "Solid Wood",
    "Carbon Fiber",
    "Canvas",
    "Nylon",
    "ABS Plastic",
    "Memory Foam",
    "Microfiber",
    "Linen",
    "Wool Blend",
    "Velvet",
    "Acrylic",
    "Brass",
    "Natural Rubber",
    "Cast Iron",
    "Recycled Plastic",
];

/// Colours of 3, 4, ... 10 letters, to end a title exactly at its length.
pub(super) const COLOURS: [&[&str]; 8] = [
    &["Red", "Tan"],
    &["Blue", "Gray", "Pink", "Gold", "Navy", "Teal", "Aqua"],
    &["Black", "White", "Green", "Brown", "Beige", "Ivory", "Khaki"],
    &["Purple", "Silver", "Yellow", "Orange", "Bronze"],
    &["Crimson", "Emerald", "Natural", "Rainbow"],
    &["Charcoal", "Burgundy", "Lavender", "Sky Blue", "Wine Red"],
    &["Champagne", "Turquoise", "Dark Gray", "Navy Blue", "Rose Gold"],
    &["Light Blue", "Ocean Blue", "Dark Green", "Matt Black", "Light Gray"],
];
pub(super) const COLOUR_LEN_MIN: usize = 3;

/// Owners in the genitive, without its `'s`.
pub(super) const OWNERS: [&str; 6] = ["Women", "Men", "Children", "Women", "Men", "Baby"];

pub(super) const UNITS: [&str; 8] = ["oz", "ml", "Feet", "Inch", "Inches", "cm", "lbs", "mm"];
