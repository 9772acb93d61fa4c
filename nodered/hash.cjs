// Makes the hash of a password for PEMS_NODERED_ADMIN_PASSWORD_HASH and PEMS_DASHBOARD_PASSWORD_HASH: `npm run hash`.

const bcrypt = require('bcryptjs')
const readline = require('node:readline')

const asked = readline.createInterface({ input: process.stdin, output: process.stderr, terminal: process.stdin.isTTY })
asked.question('Password: ', (password) => {
  asked.close()
  process.stderr.write('\n')
  if (password.length < 8) {
    process.stderr.write(`found ${password.length} characters; allowed: 8 or more\n`)
    process.exit(2)
  }
  process.stdout.write(bcrypt.hashSync(password, 10) + '\n')
})
// What is typed is not shown.
if (process.stdin.isTTY) asked._writeToOutput = (text) => { if (text.startsWith('Password')) process.stderr.write(text) }
