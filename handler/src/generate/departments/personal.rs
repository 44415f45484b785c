//! What people wear, carry and use on themselves.

use super::{Cost, Department, USUAL};

#[rustfmt::skip] // a shelf a line
pub(super) const INFANTS: Department = Department {
    shelves: &[
        ("Diapers & Changing Mats", ["Changing Pad", "Diaper Caddy", "Diaper Pail Liner"]),
        ("Bottles, Cups & Feeding Sets", ["Feeding Bottle", "Sippy Cup", "Suction Plate"]),
        ("Prams & Buggies", ["Lightweight Stroller", "Stroller Rain Cover", "Pram Organizer"]),
        ("Infant Car Seat Extras", ["Car Seat Cover", "Seat Protector", "Head Support Pillow"]),
        ("Cribs & Cradles", ["Portable Crib", "Rocking Cradle", "Crib Mattress Pad"]),
        ("Nursery Décor & Night Lights", ["Night Light", "Nursery Mobile", "Wall Sticker Set"]),
        ("Baby Monitors & Alarms", ["Video Baby Monitor", "Breathing Alarm", "Room Thermometer"]),
        ("Swaddles & Sleep Sacks", ["Swaddle Blanket", "Sleep Sack", "Muslin Wrap"]),
        ("Bath Time for Little Ones", ["Infant Bathtub", "Hooded Towel", "Bath Kneeler"]),
        ("Teethers & Rattles", ["Silicone Teether", "Wooden Rattle", "Teething Ring Set"]),
        ("Newborn Outfits", ["Newborn Bodysuit", "Footed Romper", "Knotted Hat Set"]),
        ("Gates & Corner Guards", ["Safety Gate", "Cabinet Lock", "Corner Guard"]),
    ],
    details: &[
        "Soft Cotton Lining", "Food Grade Silicone", "Adjustable Straps", "Non Slip Base",
        "BPA Free Parts", "Easy Clean Surface", "Foldable Design", "Rounded Edges",
        "Breathable Mesh", "Extra Storage Pocket",
    ],
    uses: &[
        "Newborns and Toddlers", "Baby Shower", "Boys and Girls", "Nursery", "New Parents",
        "Travel",
    ],
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const BEAUTY: Department = Department {
    shelves: &[
        ("Lip & Eye Colour", ["Matte Lipstick", "Eyeshadow Palette", "Liquid Eyeliner"]),
        ("Nail Polish & Manicure Sets", ["Gel Nail Polish", "Manicure Kit", "Nail Drill"]),
        ("Shampoo, Conditioner & Masks", ["Repair Shampoo", "Deep Conditioner", "Hair Mask"]),
        ("Hair Dryers & Stylers", ["Ionic Hair Dryer", "Curling Wand", "Flat Iron"]),
        ("Wigs & Extensions", ["Lace Front Wig", "Clip in Extensions", "Wig Cap Set"]),
        ("Face Creams & Serums", ["Vitamin C Serum", "Night Cream", "Hydrating Toner"]),
        ("Scents & Body Mists", ["Eau de Parfum", "Body Mist", "Perfume Oil Roll On"]),
        ("Razors & Wax", ["Beard Trimmer", "Safety Razor", "Wax Warmer Kit"]),
        ("Brushes & Mirrors", ["Makeup Brush Set", "Blending Sponge", "Vanity Mirror"]),
        ("Bath Soaks & Soaps", ["Bath Bomb Set", "Handmade Soap Bar", "Epsom Salt Soak"]),
    ],
    details: &[
        "Hyaluronic Acid", "Long Lasting Formula", "Shea Butter and Aloe", "Vegan and Cruelty Free",
        "Natural Ingredients", "Argan Oil", "Travel Case", "Waterproof Finish", "Gentle Daily Care",
        "Fresh Scent",
    ],
    uses: &[
        "All Skin Types", "Dry and Damaged Hair", "Home Salon Use", "Women and Men",
        "Sensitive Skin", "Daily Use",
    ],
    cost: Cost::Cheap,
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const CHILDRENS_WEAR: Department = Department {
    shelves: &[
        ("Tops & Tees for Boys", ["Graphic Tee", "Long Sleeve Shirt", "Polo Shirt"]),
        ("Trousers & Shorts for Boys", ["Jogger Pants", "Cargo Shorts", "Pull On Jeans"]),
        ("Jackets for Boys", ["Puffer Jacket", "Rain Jacket", "Fleece Hoodie"]),
        ("Trainers & Boots for Boys", ["Running Sneakers", "Hiking Boots", "Slip On Shoes"]),
        ("Caps & Belts for Boys", ["Baseball Cap", "Elastic Belt", "Winter Hat and Gloves"]),
        ("Dresses for Girls", ["Ruffle Dress", "Party Dress", "Casual Sundress"]),
        ("Tops & Leggings for Girls", ["Leggings Set", "Tunic Top", "Crop Sweatshirt"]),
        ("Coats for Girls", ["Hooded Coat", "Quilted Vest", "Denim Jacket"]),
        ("Sandals & Flats for Girls", ["Ballet Flats", "Glitter Sandals", "Mary Jane Shoes"]),
        ("Hair Bows & Bangles for Girls", ["Hair Bow Set", "Charm Bracelet", "Headband Pack"]),
        ("Swimwear for Children", ["Rash Guard Set", "Swim Trunks", "One Piece Swimsuit"]),
        ("Nightwear for Children", ["Pajama Set", "Hooded Bathrobe", "Fuzzy Slippers"]),
        ("Uniforms & Dancewear", ["Pleated Skirt", "Dance Leotard", "School Cardigan"]),
        ("Costumes for Children", ["Princess Costume", "Pirate Costume", "Animal Onesie"]),
    ],
    details: &[
        "Elastic Waist", "Soft Cotton", "Two Pockets", "Crew Neck", "Full Zip", "Cute Print",
        "Tag Free Collar", "Quick Dry Fabric",
    ],
    uses: &["School", "Toddler and Little Kid", "Summer", "Birthday Party", "Everyday Wear"],
    clothing: true,
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const TRAVEL: Department = Department {
    shelves: &[
        ("Trolley Cases", ["Hardside Spinner", "Carry On Trolley", "Expandable Suitcase"]),
        ("Matching Case Sets", ["3 Piece Luggage Set", "Nested Suitcase Set", "Family Case Set"]),
        ("Rucksacks & Daypacks", ["Laptop Backpack", "Hiking Daypack", "Anti Theft Backpack"]),
        ("Holdalls & Weekenders", ["Weekender Bag", "Duffle Bag", "Gym Holdall"]),
        ("Briefcases & Laptop Sleeves", ["Laptop Sleeve", "Canvas Briefcase", "Work Tote"]),
        ("Handbags & Clutches", ["Crossbody Bag", "Evening Clutch", "Hobo Purse"]),
        ("Wallets, Purses & Card Holders", ["Slim Wallet", "RFID Card Holder", "Zip Wallet"]),
        ("Packing Cubes & Pouches", ["Packing Cubes", "Toiletry Pouch", "Shoe Bag Set"]),
        ("Neck Pillows & Eye Masks", ["Neck Pillow", "Sleep Mask", "Travel Blanket"]),
        ("Folding & Golf Umbrellas", ["Folding Umbrella", "Golf Umbrella", "Windproof Umbrella"]),
        ("Luggage Tags & Scales", ["Luggage Tag Set", "Cable Lock", "Luggage Scale"]),
    ],
    details: &[
        "Double Spinner Wheels", "USB Charging Port", "Water Resistant Nylon",
        "Padded Shoulder Strap", "Combination Lock", "Scratch Resistant Shell", "RFID Blocking",
        "Hidden Back Pocket", "Telescopic Handle", "Wet Pocket and Shoe Compartment",
    ],
    uses: &[
        "Business Trips", "Men and Women", "Weekend Getaways", "College Students",
        "Airline Approved Travel",
    ],
    cost: Cost::Dear,
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const WARDROBE: Department = Department {
    shelves: &[
        ("Shirts & Knitwear for Him", ["Flannel Shirt", "Cable Knit Sweater", "Henley Shirt"]),
        ("Jeans & Chinos for Him", ["Slim Fit Jeans", "Stretch Chinos", "Cargo Pants"]),
        ("Coats & Suits for Him", ["Wool Coat", "Two Button Blazer", "Bomber Jacket"]),
        ("Shoes for Him", ["Leather Oxford", "Trail Running Shoe", "Canvas Loafer"]),
        ("Fashion for Her", ["Maxi Dress", "Wrap Blouse", "High Waist Leggings"]),
        ("Underwear & Hosiery", ["Seamless Briefs", "Sheer Tights", "Ankle Socks"]),
        ("Shoes for Her", ["Ankle Boots", "Block Heel Sandal", "Walking Sneaker"]),
        ("Necklaces, Rings & Earrings", ["Pendant Necklace", "Stacking Ring", "Hoop Earrings"]),
        ("Wristwatches", ["Chronograph Watch", "Digital Sport Watch", "Quartz Watch"]),
        ("Sunglasses & Frames", ["Polarized Sunglasses", "Blue Light Glasses", "Reading Glasses"]),
        ("Scarves & Belts", ["Cashmere Scarf", "Touchscreen Gloves", "Leather Belt"]),
        ("Hats", ["Bucket Hat", "Knit Beanie", "Wide Brim Sun Hat"]),
        ("Workwear & Scrubs", ["Scrub Set", "Work Overalls", "Hi Vis Vest"]),
        ("Fancy Dress", ["Halloween Costume", "Cosplay Cape", "Masquerade Mask"]),
    ],
    details: &[
        "Pockets", "Regular Fit", "V Neck", "Long Sleeve", "Stretch Fabric", "Button Down Front",
        "Sterling Silver", "Memory Foam Insole", "Relaxed Fit", "Lace Trim",
    ],
    uses: &["Work", "Summer", "Wedding Guest", "Gym and Running", "Casual Wear", "Plus Size"],
    clothing: true,
    ..USUAL
};

#[rustfmt::skip] // a shelf a line
pub(super) const HEALTH: Department = Department {
    shelves: &[
        ("Vitamins, Minerals & Herbs", ["Vitamin D3 Softgels", "Magnesium Capsules", "Turmeric"]),
        ("Protein Powders & Bars", ["Whey Protein Powder", "Protein Bars", "Creatine Powder"]),
        ("Toothbrushes & Whitening", ["Electric Toothbrush", "Whitening Strips", "Water Flosser"]),
        ("First Aid & Bandages", ["First Aid Kit", "Elastic Bandage", "Wound Dressing"]),
        ("Braces & Supports", ["Knee Brace", "Wrist Splint", "Lumbar Support Belt"]),
        ("Massage & Relaxation", ["Massage Gun", "Shiatsu Neck Massager", "Acupressure Mat"]),
        ("Walking Aids & Daily Living", ["Folding Cane", "Shower Chair", "Reacher Grabber"]),
        ("Blood Pressure & Glucose Meters", ["Blood Pressure Monitor", "Oximeter", "Test Strips"]),
        ("Eye & Ear Care", ["Ear Wax Remover", "Lubricant Eye Drops", "Contact Lens Case"]),
        ("Laundry, Paper & Cleaning Stock", ["Laundry Pods", "Paper Towels", "Disinfecting Wipes"]),
        ("Aromatherapy", ["Essential Oil Set", "Aroma Diffuser", "Scented Roll On"]),
    ],
    details: &[
        "Non GMO Ingredients", "Third Party Tested Quality", "Large Display",
        "Adjustable Compression", "Gluten Free Formula", "Rechargeable Battery", "Natural Flavor",
        "Carrying Case", "Sugar Free Recipe", "Extra Strength Relief",
    ],
    uses: &[
        "Immune Support", "Men and Women", "Seniors", "Home Use", "Muscle Recovery",
        "Joint Pain Relief",
    ],
    ..USUAL
};
