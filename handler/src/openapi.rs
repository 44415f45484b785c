//! The API document, OpenAPI 3.1.

/// The document as it is served and printed: JSON.
pub fn document() -> &'static str {
    concat!(
        r#"{"openapi":"3.1.1","info":{"title":"Vitrine","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#"","summary":"A product catalogue","license":{"name":"MIT","identifier":"MIT"}},"#,
        r#""paths":{"/dashboard":{"get":{"operationId":"Dashboard","summary":"What goes on, as a page for administrators","responses":{"200":{"description":"The page","content":{"text/html":{}}}}}},"#,
        r#""/docs":{"get":{"operationId":"Docs","summary":"This document as a page","responses":{"200":{"description":"The page","content":{"text/html":{}}}}}},"#,
        r#""/openapi.json":{"get":{"operationId":"OpenApi","summary":"This document","responses":{"200":{"description":"The document","content":{"application/json":{}}}}}}}}"#,
    )
}
