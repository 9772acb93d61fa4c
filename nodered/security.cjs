// Who may see and use the dashboard: with a login those who have it; without one everybody may look, and on this machine
// alone also ask.

const bcrypt = require('bcryptjs')
const { quick } = require('node-red-dashboard-2-pems/lib/quick.js')

/** Whether pages may only look. */
function readOnly (env, host) {
  if (env.PEMS_DASHBOARD_READ_ONLY) return env.PEMS_DASHBOARD_READ_ONLY !== 'false'
  return !env.PEMS_DASHBOARD_PASSWORD_HASH && !['127.0.0.1', 'localhost', '::1'].includes(host)
}

/** The settings of the dashboard. */
function dashboard (env, host) {
  process.env.PEMS_DASHBOARD_READ_ONLY = String(readOnly(env, host))
  const hash = env.PEMS_DASHBOARD_PASSWORD_HASH
  const serve = quick()
  if (!hash) return { middleware: serve }
  const user = env.PEMS_DASHBOARD_USER || 'home'
  const knows = (header) => allowed(header, user, hash)
  return {
    middleware: (request, response, next) => {
      if (knows(request.headers.authorization)) return serve(request, response, next)
      response.set('WWW-Authenticate', 'Basic realm="PEMS"').status(401).send('A login is needed.')
    },
    ioMiddleware: (socket, next) => next(knows(socket.handshake.headers.authorization) ? undefined : new Error('a login is needed'))
  }
}

const known = new Map()

function allowed (header, user, hash) {
  const [kind, encoded] = String(header || '').split(' ')
  if (kind !== 'Basic' || !encoded) return false
  const said = Buffer.from(encoded, 'base64').toString('utf8')
  const [name, ...password] = said.split(':')
  // A hash takes a tenth of a second on purpose, and a page asks for many files.
  if (!known.has(said)) known.set(said, name === user && bcrypt.compareSync(password.join(':'), hash))
  if (known.size > 100) known.clear()
  return known.get(said) === true
}

module.exports = { dashboard, readOnly }
