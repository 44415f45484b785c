"""What the Postman collection asks, in this order: somebody signs up and in, reads, writes, looks
after imports and leaves the catalogue as it was.

A step names its operation. `values` are parameters, `body` changes the documented example, `status`
are the answers that are right where it is not the first documented one, `keep` are lines that put
something of the answer aside for later steps.
"""

VARIABLES = {
    "baseUrl": "http://127.0.0.1:7071",
    "email": "ann@shop.example",
    "password": "Secret1!",
    "asin": "POSTMAN-1",
    "token": "",
    "refreshToken": "",
    "userId": "",
    "categoryId": "",
    "known": "",
    "etag": "",
    "cursor": "",
    "importId": "",
}


def keep(variable, value, when="true"):
    return f"if ({when}) {{ pm.collectionVariables.set('{variable}', {value}); }}"


TOKENS = [
    keep("token", "pm.response.json().idToken", "pm.response.code === 200"),
    keep("refreshToken", "pm.response.json().refreshToken", "pm.response.code === 200"),
]
ETAG = [keep("etag", "pm.response.headers.get('ETag')", "pm.response.code < 300")]
SOMEBODY = {"email": "{{email}}", "password": "{{password}}"}

STORY = [
    ("The service", [
        {"operation": "Home"},
        {"operation": "Home", "name": "The catalogue as a page", "accept": "text/html"},
        {"operation": "Health"},
        {"operation": "Ready"},
        {"operation": "OpenApi"},
        {"operation": "Docs"},
        {"operation": "Dashboard"},
    ]),
    ("Signing in", [
        {"operation": "SignUp", "body": SOMEBODY, "status": [201, 409]},
        {"operation": "Login", "body": SOMEBODY, "keep": TOKENS},
        {"operation": "Login", "name": "A wrong password", "body": {"email": "{{email}}", "password": "Wrong1!!"},
         "status": [401]},
        {"operation": "RefreshToken", "body": {"refreshToken": "{{refreshToken}}"}, "keep": TOKENS},
        {"operation": "Me", "keep": [keep("userId", "pm.response.json().user_id")]},
        {"operation": "Me", "name": "Without a token", "is_signed_in": False, "status": [401]},
        {"operation": "ListUsers", "values": {"limit": "10"}},
        {"operation": "UpdateUser", "values": {"id": "{{userId}}"}, "body": {"active": True, "admin": True}},
        {"operation": "ResetPassword", "body": {"email": "nobody@shop.example"}},
    ]),
    ("Reading", [
        {"operation": "ListCategories", "keep": [keep("categoryId", "pm.response.json()[0].id")]},
        {"operation": "ListProducts", "values": {"limit": "2"}, "keep": [
            keep("known", "pm.response.json()[0].asin"),
            keep("cursor", "/cursor=([^>&]+)/.exec(pm.response.headers.get('Link'))[1]"),
        ]},
        {"operation": "ListProducts", "name": "The next page", "values": {"limit": "2", "cursor": "{{cursor}}"}},
        {"operation": "ListProducts", "name": "Best rated first, of one category",
         "values": {"category_id": "{{categoryId}}", "sort": "-stars", "limit": "5"}},
        {"operation": "ListProducts", "name": "A search", "values": {"q": "steel", "max_price": "100"}},
        {"operation": "ListProducts", "name": "The whole list as CSV",
         "values": {"category_id": "{{categoryId}}"}, "accept": "text/csv"},
        {"operation": "ListProducts", "name": "No such category", "values": {"category_id": "999999"},
         "status": [404]},
        {"operation": "ListProducts", "name": "No such order", "values": {"sort": "up"}, "status": [400]},
        {"operation": "GetProduct", "values": {"asin": "{{known}}"}, "keep": ETAG},
        {"operation": "GetProduct", "name": "It is known already",
         "values": {"asin": "{{known}}", "If-None-Match": "{{etag}}"}, "status": [304]},
        {"operation": "CategoryName", "values": {"category_id": "{{categoryId}}"}},
        {"operation": "CategoryCount"},
    ]),
    ("Writing", [
        {"operation": "CreateProduct", "values": {"Idempotency-Key": "{{$guid}}"},
         "body": {"asin": "{{asin}}", "category_id": "{{categoryId}}"}, "keep": ETAG},
        {"operation": "CreateProduct", "name": "It is there already",
         "body": {"asin": "{{asin}}", "category_id": "{{categoryId}}"}, "status": [409]},
        {"operation": "UpdateProduct", "values": {"asin": "{{asin}}", "If-Match": "{{etag}}"}},
        {"operation": "UpdateProduct", "name": "Somebody was faster",
         "values": {"asin": "{{asin}}", "If-Match": "{{etag}}"}, "status": [412]},
        {"operation": "GetProduct", "name": "The product as it is now", "values": {"asin": "{{asin}}"}, "keep": [
            *ETAG,
            "pm.test('no older price is served', () => pm.expect(pm.response.json().price).to.equal(17.5));",
        ]},
        {"operation": "ReplaceProduct", "values": {"asin": "{{asin}}", "If-Match": "{{etag}}"},
         "body": {"category_id": "{{categoryId}}"}, "keep": ETAG},
        {"operation": "ReplaceProduct", "name": "A wrong price", "values": {"asin": "{{asin}}"},
         "body": {"category_id": "{{categoryId}}", "price": -1}, "status": [422]},
    ]),
    ("Imports", [
        {"operation": "ListImports", "values": {"limit": "5"}, "keep": [keep("importId", "pm.response.json()[0].id")]},
        {"operation": "GetImport", "values": {"id": "{{importId}}"}},
        {"operation": "ImportRejects", "values": {"id": "{{importId}}"}},
        {"operation": "RetryImport", "values": {"id": "{{importId}}"}, "status": [202, 409]},
        {"operation": "CancelImport", "values": {"id": "{{importId}}"}, "status": [202, 409]},
        {"operation": "GetImport", "name": "No such import", "values": {"id": "999999"}, "status": [404]},
        {"operation": "Stats"},
    ]),
    ("Leaving", [
        {"operation": "DeleteProduct", "values": {"asin": "{{asin}}", "If-Match": "{{etag}}"}},
        {"operation": "GetProduct", "name": "It is gone", "values": {"asin": "{{asin}}"}, "status": [404]},
        {"operation": "Logout"},
        {"operation": "RefreshToken", "name": "No session is left", "body": {"refreshToken": "{{refreshToken}}"},
         "status": [401]},
    ]),
]
