'use strict'
// What PEMS tells of one house, put together from its topics. No input or output: messages and times come in as arguments.

const MOST_ERRORS = 50
/** However fast the clock of a demo is [s of the wall]. */
const LEAST_SILENCE_S = 5
/** PEMS tells its time as soon as it hears that this side is there [s of the wall]. */
const FIRST_BEAT_WITHIN_S = 5
const SAMPLE_MS = 5 * 60 * 1000
const MOST_SAMPLES = 288

/** Topics below the prefix that make up the snapshot, with the number of names behind them. */
const TOPICS = [
  'site', 'status', 'heartbeat', 'plan', 'price', 'savings', 'emergency', 'alerts', 'alert', 'error',
  'comfort/+', 'state/+', 'controls/+', 'release/+', 'lease/+', 'decision/+/+', 'override/+/+', 'carry/+'
]

/**
 * The text of a payload as an object.
 * @returns {object|null} null for an empty payload, by which a retained topic is taken back
 * @throws {Error} naming the topic, what was found and what is allowed
 */
function understood (topic, payload) {
  const text = Buffer.isBuffer(payload) ? payload.toString('utf8') : String(payload)
  if (text === '') return null
  let said
  try {
    said = JSON.parse(text)
  } catch (error) {
    throw new Error(`${topic}: found ${shown(text)}, which is not JSON; allowed: a JSON object`)
  }
  if (said === null || typeof said !== 'object' || Array.isArray(said)) {
    throw new Error(`${topic}: found ${shown(text)}; allowed: a JSON object`)
  }
  return said
}

function shown (text) {
  return text.length <= 60 ? JSON.stringify(text) : JSON.stringify(text.slice(0, 57)) + '...'
}

/** What must be in a payload for it to be taken, by kind of topic: name of the key and what it is. */
const NEEDED = {
  site: { name: 'string', timezone: 'string', currency: 'string' },
  comfort: { device: 'string' },
  status: { state: 'string' },
  heartbeat: { healthy: 'boolean', valid_for_s: 'number', at: 'time' },
  plan: { made_at: 'time', starts: 'times', ends: 'times' },
  price: { at: 'time', steps: 'objects' },
  savings: {},
  emergency: { stopped: 'boolean' },
  alerts: { alerts: 'objects' },
  alert: { severity: 'string', place: 'string', text: 'string' },
  error: { topic: 'string', faults: 'texts' },
  state: { device: 'string', points: 'readings' },
  controls: { device: 'string', controls: 'catalogue' },
  release: { device: 'string', wire: 'objects' },
  lease: { device: 'string', until: 'time' },
  decision: { id: 'string', device: 'string', control: 'string', valid_from: 'time', valid_until: 'time' },
  override: { device: 'string', control: 'string', until: 'time' },
  carry: { request: 'string', id: 'string', device: 'string', control: 'string', wire: 'objects', expires_at: 'time' }
}

const isObject = (found) => found !== null && typeof found === 'object' && !Array.isArray(found)
const isTime = (found) => typeof found === 'string' && /(Z|[+-]\d\d:\d\d)$/.test(found) && Number.isFinite(Date.parse(found))
const all = (holds) => (found) => Array.isArray(found) && found.every(holds)
const hasOptions = (found) => isObject(found) && typeof found.control === 'string' &&
  (found.options === undefined || all((option) => isObject(option) && (option.wire === undefined || all(isObject)(option.wire)))(found.options))

const KINDS = {
  string: [(found) => typeof found === 'string' && found !== '', 'a text'],
  boolean: [(found) => typeof found === 'boolean', 'true or false'],
  number: [(found) => typeof found === 'number' && Number.isFinite(found), 'a finite number'],
  texts: [all((one) => typeof one === 'string'), 'a list of texts'],
  objects: [all(isObject), 'a list of objects'],
  times: [all(isTime), 'a list of times with their zone'],
  readings: [(found) => isObject(found) && Object.values(found).every(isObject), 'a reading for each point'],
  catalogue: [all(hasOptions), 'a list of controls, each with control and options'],
  time: [isTime, 'a time with its zone, such as 2025-01-15T06:00:00Z']
}

/** @throws {Error} naming every key that is missing or wrong */
function checked (topic, said) {
  const needed = NEEDED[topic.split('/')[0]] || {}
  const faults = Object.entries(needed)
    .filter(([key, kind]) => !KINDS[kind][0](said[key]))
    .map(([key, kind]) => `${topic}: ${key}: found ${JSON.stringify(said[key])}; allowed: ${KINDS[kind][1]}`)
  if (faults.length > 0) throw new Error(faults.join('; '))
  return said
}

/** One house as it is known from its topics. */
class House {
  constructor (name = '') {
    this.facts = { name }
    this.connected = false
    this.connectedSince = null
    this.status = null
    this.heartbeat = null
    this.plan = null
    this.price = null
    this.savings = null
    this.emergency = null
    this.siteState = null
    this.devices = {}
    this.alerts = []
    this.errors = []
    this.samples = []
    this._heartbeatAt = null
  }

  /**
   * Take one message.
   * @param {string} topic below the prefix
   * @param {number} now [ms]
   * @returns {object|null} what was said
   * @throws {Error} if it cannot be used; then nothing has changed
   */
  hear (topic, payload, now) {
    const said = understood(topic, payload)
    if (said !== null) checked(topic, said)
    const [kind, device, control] = topic.split('/')
    const take = this[`_${kind}`]
    if (take === undefined) throw new Error(`${topic}: found a topic that is not known; allowed: ${TOPICS.join(', ')}`)
    take.call(this, said, now, device, control)
    return said
  }

  /** A refusal of this side's own, for the Health page, beside those of PEMS. */
  refuse (topic, fault, now) {
    this.errors = [{ topic, faults: [fault], at: new Date(now).toISOString(), by: 'Node-RED' }, ...this.errors].slice(0, MOST_ERRORS)
  }

  /** Whether PEMS has told what time it has; before that nobody here can say whose time is over. */
  get knowsTime () { return this.heartbeat !== null }

  /**
   * The time of PEMS, which may pass faster than that of the wall [ms]. Without a heartbeat that tells it: the wall's.
   */
  clock (now) {
    const beat = this.heartbeat
    if (beat === null) return now
    return Date.parse(beat.at) + (now - this._heartbeatAt) * (beat.speed || 1)
  }

  /** Seconds of PEMS's clock in one of the wall. */
  get speed () {
    return (this.heartbeat && this.heartbeat.speed) || 1
  }

  /** `running`: it beats; `silent`: it should and does not; `offline`: it has ended; `unknown`: nothing was heard yet. */
  core (now) {
    if (!this.connected) return 'unknown'
    if (this.status && this.status.state === 'offline') return 'offline'
    if (this.heartbeat === null) {
      const justCome = now - Date.parse(this.connectedSince) < FIRST_BEAT_WITHIN_S * 1000
      return this.status === null || justCome ? 'unknown' : 'silent'
    }
    const age = (now - this._heartbeatAt) / 1000
    return age <= Math.max(this.heartbeat.valid_for_s / this.speed + 1, LEAST_SILENCE_S) ? 'running' : 'silent'
  }

  /** Everything as plain data, for pages; its shape stands in nodered/README.md. */
  snapshot (now) {
    return {
      site: this.facts,
      at: new Date(this.clock(now)).toISOString(),
      wall: new Date(now).toISOString(),
      speed: this.speed,
      connected: this.connected,
      connected_since: this.connectedSince,
      core: this.core(now),
      status: this.status,
      heartbeat: this.heartbeat,
      heartbeat_age_s: this._heartbeatAt === null ? null : Math.round((now - this._heartbeatAt) / 1000),
      plan: this.plan,
      price: this.price,
      savings: this.savings,
      emergency: this.emergency,
      site_state: this.siteState,
      devices: this.devices,
      alerts: this.alerts,
      errors: this.errors,
      samples: this.samples
    }
  }

  _device (name) {
    if (this.devices[name] === undefined) {
      this.devices[name] = { state: null, comfort: null, controls: null, release: null, lease: null, decisions: {}, overrides: {} }
    }
    return this.devices[name]
  }

  _site (said) { this.facts = said === null ? { name: this.facts.name } : said }
  _status (said) { this.status = said }
  _plan (said) { this.plan = said }
  _price (said) { this.price = said }
  _savings (said) { this.savings = said }
  _emergency (said) { this.emergency = said }
  _carry () {}

  _heartbeat (said, now) {
    this.heartbeat = said
    this._heartbeatAt = said === null ? null : now
  }

  _state (said, now, device) {
    if (device === 'site') this.siteState = said
    else this._device(device).state = said
    this._sample(now)
  }

  _comfort (said, now, device) { this._device(device).comfort = said }
  _controls (said, now, device) { this._device(device).controls = said }
  _release (said, now, device) { this._device(device).release = said }
  _lease (said, now, device) { this._device(device).lease = said }

  _decision (said, now, device, control) { this._put(this._device(device).decisions, control, said) }
  _override (said, now, device, control) { this._put(this._device(device).overrides, control, said) }

  _put (all, name, said) {
    if (said === null) delete all[name]
    else all[name] = said
  }

  _alert () {}

  _alerts (said) { this.alerts = said === null ? [] : said.alerts }

  _error (said) {
    if (said !== null) this.errors = [{ by: 'PEMS', ...said }, ...this.errors].slice(0, MOST_ERRORS)
  }

  /** Every five minutes of PEMS's clock what was measured, for what has happened beside what was planned. */
  _sample (now) {
    const at = Math.floor(this.clock(now) / SAMPLE_MS) * SAMPLE_MS
    const sample = { at: new Date(at).toISOString(), points: measured(this.devices, this.siteState) }
    const last = this.samples[this.samples.length - 1]
    if (last && Date.parse(last.at) === at) this.samples[this.samples.length - 1] = sample
    else this.samples = [...this.samples, sample].slice(-MOST_SAMPLES)
  }
}

/** Numbers and switches that are fresh, by `<device>/<point>`. */
function measured (devices, siteState) {
  const points = {}
  const states = { ...Object.fromEntries(Object.entries(devices).map(([name, device]) => [name, device.state])), site: siteState }
  for (const [name, state] of Object.entries(states)) {
    for (const [point, reading] of Object.entries((state && state.points) || {})) {
      if (reading.quality === 'good' && typeof reading.value !== 'object') points[`${name}/${point}`] = reading.value
    }
  }
  return points
}

module.exports = { House, NEEDED, TOPICS, understood, checked }
