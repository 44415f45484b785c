//! What clients of a serving process do: sign in as its administrator, write, count.

use reqwest::Client;
use serde_json::{Value, json};

/// Whom `ADMIN_EMAILS` is to name.
pub const BOSS: &str = "boss@shop.example";

/// Signs the administrator up and in; the value of `Authorization`.
pub async fn administrator(client: &Client, url: &str) -> String {
    let post = |path: &str, body: Value| client.post(format!("{url}{path}")).json(&body).send();
    let form = json!({"email": BOSS, "password": "Secret1!", "firstName": "B",
        "lastName": "Oss"});
    assert_eq!(post("/signup", form).await.unwrap().status(), 201);
    let credentials = json!({"email": BOSS, "password": "Secret1!"});
    let signed_in: Value = post("/login", credentials).await.unwrap().json().await.unwrap();
    format!("Bearer {}", signed_in["idToken"].as_str().unwrap())
}

/// Writes the product of a writer, whose price counts the writes; gives the status.
pub async fn put(client: &Client, url: &str, token: &str, writer: usize, price: u64) -> u16 {
    let body = json!({"title": "A lamp", "category_id": 1, "price": price});
    let request = client.put(format!("{url}/products/RACE-{writer}")).json(&body);
    request.header("authorization", token).send().await.unwrap().status().as_u16()
}

/// What an instance has counted: the caches' counters of `GET /stats`.
pub async fn counted(client: &Client, url: &str, token: &str) -> Value {
    told_of_itself(client, url, token).await["counts"]["cache"].clone()
}

/// What a process says of itself in `/stats`.
pub async fn told_of_itself(client: &Client, url: &str, token: &str) -> Value {
    stats(client, url, token).await["instances"][0].clone()
}

/// What a process says of itself and of the others that it hears of.
pub async fn stats(client: &Client, url: &str, token: &str) -> Value {
    let request = client.get(format!("{url}/stats")).header("authorization", token);
    request.send().await.unwrap().json().await.unwrap()
}
