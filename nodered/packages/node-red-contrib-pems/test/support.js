'use strict'
// A real Mosquitto on a free loopback port, and a person's patience.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')

const MOSQUITTO = [...(process.env.PATH || '').split(path.delimiter), '/usr/sbin']
  .map((folder) => path.join(folder, 'mosquitto')).find((file) => fs.existsSync(file))

/** Why tests with a broker are skipped; false if they run. In CI they must. */
const noBroker = MOSQUITTO === undefined && process.env.CI !== 'true' ? 'mosquitto is not installed; get it with: make programs' : false

function freePort () {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

/** A broker that can be stopped, killed and started again on the same port. */
class Broker {
  static async start (...lines) {
    const broker = new Broker()
    broker.port = await freePort()
    broker.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pems-broker-'))
    const said = lines.length > 0 ? lines.map((line) => line.replace('{port}', broker.port)) : [`listener ${broker.port} 127.0.0.1`, 'allow_anonymous true']
    fs.writeFileSync(path.join(broker.folder, 'mosquitto.conf'), ['persistence false', 'set_tcp_nodelay true', ...said, ''].join('\n'))
    await broker.start()
    return broker
  }

  get url () { return `mqtt://127.0.0.1:${this.port}` }

  async start () {
    this.process = spawn(MOSQUITTO, ['-c', path.join(this.folder, 'mosquitto.conf')], { stdio: 'ignore' })
    await until(() => new Promise((resolve) => {
      const socket = net.connect(this.port, '127.0.0.1', () => { socket.destroy(); resolve(true) }).on('error', () => resolve(false))
    }))
  }

  async stop (signal = 'SIGTERM') {
    if (this.process === null) return
    const ended = new Promise((resolve) => this.process.once('exit', resolve))
    if (signal === 'SIGTERM') this.process.kill('SIGCONT')
    this.process.kill(signal)
    await ended
    this.process = null
  }

  /** It takes what comes and answers nothing, as behind a cut cable. */
  freeze () { this.process.kill('SIGSTOP') }

  async end () {
    await this.stop()
    fs.rmSync(this.folder, { recursive: true })
  }
}

/** Wait until something holds, and return what it gave. */
async function until (condition, withinMs = 15000) {
  const deadline = Date.now() + withinMs
  for (;;) {
    const found = await condition()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`it did not happen: ${condition}`)
    await pause(20)
  }
}

function pause (ms) { return new Promise((resolve) => setTimeout(resolve, ms)) }

/** Everything that is said on a broker. */
class Ears {
  static async at (broker) {
    const ears = new Ears()
    ears.said = []
    ears.client = require('mqtt').connect(broker.url, { reconnectPeriod: 200 })
    ears.client.on('message', (topic, payload) => ears.said.push([topic, payload.toString()]))
    ears.client.on('connect', () => ears.client.subscribe('#', { qos: 1 }))
    ears.client.on('error', () => {})
    await until(() => ears.client.connected)
    return ears
  }

  on (topic) { return this.said.filter(([where]) => where === topic).map(([, text]) => text) }
  say (topic, said, retain = false) {
    return this.client.publishAsync(topic, typeof said === 'string' ? said : JSON.stringify(said), { qos: 1, retain })
  }

  end () { return this.client.endAsync(true) }
}

module.exports = { Broker, Ears, noBroker, until, pause }
