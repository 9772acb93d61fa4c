// Settings of Node-RED in front of PEMS; everything that differs from house to house comes from the environment.
// docs/node-red.md tells what each variable is for.

const { dashboard } = require('./security.cjs')

const env = process.env
const host = env.PEMS_NODERED_HOST || '127.0.0.1'
const hash = env.PEMS_NODERED_ADMIN_PASSWORD_HASH

// Who started it has died: nobody else would end it.
if (env.PEMS_NODERED_ENDS_WITH_INPUT === 'true') process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume()

module.exports = {
  uiPort: Number(env.PEMS_NODERED_PORT || 1880),
  uiHost: host,
  flowFile: env.PEMS_NODERED_FLOWS || 'flows.json',
  flowFilePretty: true,
  credentialSecret: env.PEMS_NODERED_CREDENTIAL_SECRET || false,

  // Nobody edits flows without a password; without one that was set there is no editor at all.
  httpAdminRoot: hash ? '/editor' : false,
  adminAuth: hash
    ? { type: 'credentials', users: [{ username: env.PEMS_NODERED_ADMIN_USER || 'admin', password: hash, permissions: '*' }] }
    : undefined,
  https: env.PEMS_NODERED_TLS_KEY_FILE
    ? () => ({ key: require('node:fs').readFileSync(env.PEMS_NODERED_TLS_KEY_FILE), cert: require('node:fs').readFileSync(env.PEMS_NODERED_TLS_CERTIFICATE_FILE) })
    : undefined,
  dashboard: dashboard(env, host),

  // What people chose while PEMS was down survives a restart.
  contextStorage: { default: { module: 'memory' }, disk: { module: 'localfilesystem' } },
  functionExternalModules: false,
  externalModules: { autoInstall: false, palette: { allowInstall: false, allowUpload: false }, modules: { allowInstall: false } },
  exportGlobalContextKeys: false,
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: { tours: false, palette: { categories: ['PEMS', 'common', 'function', 'network'] }, projects: { enabled: false } },
  logging: { console: { level: env.PEMS_NODERED_LOG || 'info', metrics: false, audit: false } }
}
