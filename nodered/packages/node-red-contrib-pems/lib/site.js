'use strict'
// The connection to one house: hears everything that PEMS says, and asks. One for all nodes of a site.

const { EventEmitter } = require('node:events')
const mqtt = require('mqtt')
const { House, TOPICS } = require('./house')
const { REQUESTS } = require('./requests')
const { Carrier } = require('./carrier')
const { ByHand } = require('./byhand')

const BEAT_MS = 5000
const BEATS_VALID = 3
const TICK_MS = 1000

/**
 * Emits `said` (topic, said) for each message that could be used, `refused` (topic, fault), `change` when anything is
 * known anew, and `tick` every second.
 */
class Site extends EventEmitter {
  /**
   * @param {object} options url, prefix, site, mqtt (options of the client), kept (what an earlier life left of choices by hand), now
   */
  constructor ({ url, prefix = 'pems', site, mqtt: client = {}, kept = {}, now = Date.now }) {
    super()
    this.setMaxListeners(0)
    this.base = `${prefix}/${site}`
    this.url = url
    this.house = new House(site)
    this.byHand = new ByHand(kept)
    this.carrier = new Carrier(this, () => this.house.clock(this._now()))
    this._now = now
    this._offers = new Map()
    this._options = client
    this._count = 0
  }

  get now () { return this._now() }

  /** Whether PEMS is known to be down, so that this side has to act. */
  get down () { return ['offline', 'silent'].includes(this.house.core(this.now)) }

  /** Connect, and stay connected until `close`. */
  open () {
    this._client = mqtt.connect(this.url, {
      reconnectPeriod: 1000,
      // What could not be sent is told to who asked; nothing is kept for later, when nobody wants it any more (see _lost).
      queueQoSZero: false,
      clean: true,
      resubscribe: false,
      will: { topic: `${this.base}/carrier`, payload: JSON.stringify({ devices: [] }), qos: 1, retain: false },
      ...this._options
    })
    this._client.on('connect', () => {
      // Messages are small: they must not wait for each other's acknowledgement in the kernel (40 ms each).
      if (this._client.stream.setNoDelay) this._client.stream.setNoDelay(true)
      this._connected()
    })
    this._client.on('close', () => this._lost())
    this._client.on('error', (error) => this.emit('trouble', error))
    this._client.on('message', (topic, payload, packet) => this._hear(topic, payload, packet))
    this._beating = setInterval(() => this.beat(), BEAT_MS)
    this._ticking = setInterval(() => this._tick(), TICK_MS)
  }

  async close () {
    clearInterval(this._beating)
    clearInterval(this._ticking)
    this._offers.clear()
    if (this.house.connected) await this.beat().catch(() => {})
    await new Promise((resolve) => this._client.end(true, {}, resolve))
  }

  /**
   * Publish, and wait until the broker has it.
   * @throws {Error} if there is no connection, or it breaks before that
   */
  publish (topic, payload, options = { qos: 1, retain: false }) {
    if (!this.house.connected) return Promise.reject(new Error(`no connection to the broker ${shownUrl(this.url)}; nothing was sent`))
    return new Promise((resolve, reject) => this._client.publish(topic, payload, options, (error) => error ? reject(lost(error)) : resolve()))
  }

  /**
   * Ask PEMS for something.
   * @param {string} topic below the prefix: override/set, override/clear, emergency/set, stage/set, alert/ack
   * @returns {Promise<object>} what was asked
   * @throws {Error} if it cannot be understood, or there is no connection
   */
  async ask (topic, said) {
    const make = REQUESTS[topic]
    if (make === undefined) throw new Error(`found ${JSON.stringify(topic)}; allowed: ${Object.keys(REQUESTS).join(', ')}`)
    if (said === null || typeof said !== 'object') throw new Error(`${topic}: found ${JSON.stringify(said)}; allowed: an object`)
    const request = make(said)
    if (this.down) return this._byHand(topic, request)
    await this.publish(`${this.base}/${topic}`, JSON.stringify(request))
    return request
  }

  /** Tell PEMS what became of a request to carry. */
  async tellApplied (said, became) {
    if (became === null) return
    await this.publish(`${this.base}/applied/${said.device}/${said.control}`, JSON.stringify(became))
  }

  /** Say which devices a node offers to carry; PEMS hears the sum of all. */
  offer (who, devices) {
    this._offers.set(who, devices)
    return this.beat().catch(() => {})
  }

  /** What would be carried: nothing before PEMS has told its time, without which no request can be judged. */
  get offered () { return this.house.knowsTime ? [...new Set([...this._offers.values()].flat())].sort() : [] }

  /** Tell PEMS that this side is there, and what it would carry; PEMS answers one who carries nothing yet with its time. */
  async beat () {
    if (!this.house.connected) return
    const said = { id: this._options.clientId || this._client.options.clientId, devices: this.offered, valid_for_s: (BEATS_VALID * BEAT_MS) / 1000 }
    await this.publish(`${this.base}/carrier`, JSON.stringify(said))
  }

  async _byHand (topic, request) {
    if (topic === 'override/set') return this._choose(request)
    if (topic === 'override/clear') {
      const devices = this.byHand.clear(this.house, request)
      this._changed()
      await this._release(devices)
      return request
    }
    if (topic === 'emergency/set') return this._stop(request)
    throw new Error(`${topic}: found a request while PEMS is ${this.house.core(this.now)}; allowed: when it is back`)
  }

  async _choose (request) {
    const stopped = this.byHand.stop || (this.house.emergency && this.house.emergency.stopped && this.house.emergency)
    if (stopped) throw new Error(`${request.device}/${request.control}: found an emergency stop by ${stopped.by}; allowed: nothing until it is reset`)
    const choice = this.byHand.choose(this.house, request, this.now)
    this._changed()
    const became = await this.carrier.carry({ device: choice.device, control: choice.control, wire: choice.wire })
    if (became.result !== 'carried') {
      this.byHand.drop([choice])
      this._changed()
      throw new Error(`${choice.device}/${choice.control}: ${became.result === 'core' ? 'only PEMS itself speaks to it' : became.detail}`)
    }
    return choice
  }

  /** An emergency stop while PEMS is down: everything is given back now, and PEMS is told as soon as it is back. */
  async _stop (request) {
    if (request.action === 'reset') {
      if (this.byHand.stop === null) throw new Error(`emergency: found a reset while PEMS is ${this.house.core(this.now)}; allowed: when it is back`)
      this.byHand.stop = null
    } else {
      this.byHand.stop = request
      this.byHand.drop(this.byHand.all)
    }
    this._changed()
    if (request.action === 'stop') await this._release(Object.keys(this.house.devices))
    return request
  }

  /** Give devices back that nobody holds by hand any more. */
  async _release (devices) {
    for (const device of new Set(devices)) {
      const known = this.house.devices[device]
      if (!this.byHand.holds(device) && known && known.release) {
        const became = await this.carrier.carry({ device, control: '', wire: known.release.wire, releases: true })
        if (became.result !== 'carried') this.emit('trouble', new Error(`${device} is not given back: ${became.detail || 'only PEMS itself speaks to it'}`))
      }
    }
  }

  _connected () {
    this.house.connected = true
    this.house.connectedSince = new Date(this.now).toISOString()
    const topics = TOPICS.map((topic) => `${this.base}/${topic}`)
    this._client.subscribe(topics, { qos: 1 }, (error, granted = []) => {
      const denied = granted.filter(({ qos }) => qos > 2).map(({ topic }) => topic)
      if (error || denied.length > 0) this.emit('trouble', new Error(`cannot listen to ${denied.join(', ') || this.base}: ${error ? error.message : 'the broker denies it'}`))
    })
    this._changed()
    this.beat().catch((error) => this.emit('trouble', error))
  }

  _lost () {
    // The client would send again after a reconnect what the broker has not acknowledged.
    for (const id of Object.keys(this._client.outgoing)) this._client.removeOutgoingMessage(Number(id))
    if (!this.house.connected) return
    this.house.connected = false
    this.house.connectedSince = null
    this._changed()
  }

  _hear (topic, payload, packet) {
    // Some brokers hand every retained message to every client.
    if (!topic.startsWith(`${this.base}/`)) return
    const name = topic.slice(this.base.length + 1)
    const knewTime = this.house.knowsTime
    let said
    try {
      if (name.startsWith('carry/') && packet.retain) throw new Error(`${name}: found a retained message; allowed: one that is not retained`)
      said = this.house.hear(name, payload, this.now)
    } catch (error) {
      this.house.refuse(name, error.message, this.now)
      this.emit('refused', name, error.message)
      this._changed()
      return
    }
    try {
      this.emit('said', name, said)
      if (this.house.core(this.now) === 'running') this._handedOver(name, said)
    } catch (error) {
      // One message that nobody foresaw must not end Node-RED, and with it the way to all devices.
      this.house.refuse(name, `${name}: ${error.message}`, this.now)
      this.emit('trouble', error)
    }
    if (name === 'heartbeat') this._handOver()
    if (!knewTime && this.house.knowsTime) this.beat().catch((error) => this.emit('trouble', error))
    this._changed()
  }

  /** PEMS owns overrides: what was chosen while it was down is handed to it at each beat, until it shows that it has it. */
  _handOver () {
    const { byHand, house } = this
    if (house.core(this.now) !== 'running') return
    byHand.ended(this.now)
    for (const { device, control, value } of byHand.refused()) {
      house.refuse('override/set', `${device}/${control}: PEMS did not take over ${JSON.stringify(value)}, which was chosen while it was down`, this.now)
    }
    const trouble = (error) => this.emit('trouble', error)
    if (byHand.stop !== null) this.publish(`${this.base}/emergency/set`, JSON.stringify(byHand.stop)).catch(trouble)
    for (const request of byHand.clearsLeft(house)) this.publish(`${this.base}/override/clear`, JSON.stringify(request)).catch(trouble)
    for (const request of byHand.handOver(house, this.now)) this.publish(`${this.base}/override/set`, JSON.stringify(request)).catch(trouble)
  }

  /** What PEMS shows as its own needs no keeping here. */
  _handedOver (name, said) {
    if (name.startsWith('override/') && said !== null) this.byHand.taken(said)
    if (name === 'emergency' && said !== null && said.stopped) this.byHand.stop = null
  }

  _tick () {
    const ended = this.byHand.ended(this.now)
    if (ended.length > 0) {
      // While PEMS is there, it ends what it has taken over.
      if (this.down) this._release(ended.map((choice) => choice.device)).catch((error) => this.emit('trouble', error))
      this._changed()
    }
    this.emit('tick')
  }

  _changed () { this.emit('change') }
}

function lost (error) {
  return new Error(`the connection to the broker broke; it is unknown whether this was sent (${error.message})`)
}

function shownUrl (url) {
  return String(url).replace(/\/\/[^@/]*@/, '//')
}

module.exports = { Site }
