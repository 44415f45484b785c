// The Firebase Auth emulator and nothing around it, on a free port that it prints.
//
// `createApp` is no public interface: scripts/services pins the version of firebase-tools.
const { createApp } = require("firebase-tools/lib/emulator/auth/server");

const project = "demo-vitrine";

// As in every project made since 2023: nobody is told which addresses have an account.
async function hideAddresses(base) {
  const answer = await fetch(`${base}/identitytoolkit.googleapis.com/v2/projects/${project}/config`
    + "?updateMask=emailPrivacyConfig", {
    method: "PATCH",
    headers: { authorization: "Bearer owner", "content-type": "application/json" },
    body: JSON.stringify({ emailPrivacyConfig: { enableImprovedEmailPrivacy: true } }),
  });
  if (!answer.ok) throw new Error(`the emulator's settings cannot be changed: ${answer.status}`);
}

async function main() {
  const app = await createApp(project);
  const server = app.listen(0, "127.0.0.1", async () => {
    const { port } = server.address();
    await hideAddresses(`http://127.0.0.1:${port}`);
    console.log(port);
  });
}

main();
