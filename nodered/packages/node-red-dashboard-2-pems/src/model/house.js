/** What is so in the house now, read from PEMS' topics. Nothing is guessed: what is not known is null. */

import { known } from './format.js'

/** Below this a flow is told as none [kW]. */
export const FLOWING_KW = 0.03

export function point (topics, device, name) {
  return topics[`state/${device}`]?.points?.[name] ?? null
}

export function value (topics, device, name) {
  const found = point(topics, device, name)
  return found === null || found.quality === 'missing' ? null : found.value
}

/** The inverter with the battery: the first device that has a state of charge or a control for its mode. */
export function inverterName (topics) {
  const batteries = Object.keys(topics.site?.batteries ?? {})
  if (batteries.length) return batteries[0]
  const found = Object.keys(topics).find((topic) => topic.startsWith('state/') && topics[topic]?.points?.soc)
  return found ? found.slice('state/'.length) : null
}

export function heatingNames (topics) {
  const named = Object.keys(topics.site?.rooms ?? {})
  if (named.length) return named
  return Object.keys(topics)
    .filter((topic) => topic.startsWith('controls/') && topics[topic].controls.some((c) => c.control.endsWith('_setpoint_c')))
    .map((topic) => topic.slice('controls/'.length))
}

/** The flows of the house now [kW], none negative; null where nothing was measured. */
export function powers (topics) {
  const site = (name) => numeric(value(topics, 'site', name))
  const inverter = inverterName(topics)
  const own = (name) => (inverter ? numeric(value(topics, inverter, name)) : null)
  return {
    pv: site('pv_kw'),
    house: site('load_kw'),
    import: site('import_kw'),
    export: site('export_kw'),
    charge: own('charge_kw'),
    discharge: own('discharge_kw'),
    heat: heatKw(topics),
    soc: own('soc')
  }
}

function heatKw (topics) {
  let sum = null
  for (const device of heatingNames(topics)) {
    for (const [name, found] of Object.entries(topics[`state/${device}`]?.points ?? {})) {
      if (name.endsWith('_power_kw') && known(found.value)) sum = (sum ?? 0) + found.value
    }
  }
  return sum
}

function numeric (found) {
  return known(found) ? found : null
}

/**
 * How PEMS is, in one word: what the colour and the words of every page follow.
 *
 * `lost` (no line to Node-RED), `waiting` (nothing heard yet), `no_broker`, `offline`, `silent` (no heartbeat),
 * `stopped`, `starting`, `unhealthy`, `running`.
 *
 * @param {{connected: boolean, loaded: boolean, broker: boolean|null, core: string, topics: object}} seen
 */
export function condition (seen) {
  if (!seen.connected) return 'lost'
  if (seen.broker === false) return 'no_broker'
  const status = seen.topics.status
  if (!seen.loaded || !status) return 'waiting'
  const stopped = seen.topics.emergency?.stopped === true
  if (seen.core === 'offline') return stopped ? 'stopped_offline' : 'offline'
  if (seen.core === 'silent') return 'silent'
  if (stopped) return 'stopped'
  if (status.state === 'unhealthy' || seen.topics.heartbeat?.healthy === false) return 'unhealthy'
  return status.state in { starting: 1, running: 1 } ? status.state : 'waiting'
}

/** Is PEMS there to answer what is asked of it? */
export function answers (state) {
  return ['running', 'unhealthy', 'stopped', 'starting'].includes(state)
}

/** Overrides in force, those that end first at the front. */
export function overrides (topics) {
  return Object.entries(topics)
    .filter(([topic, said]) => topic.startsWith('override/') && said?.control)
    .map(([, said]) => said)
    .sort((a, b) => (a.until < b.until ? -1 : 1))
}

export function overrideOf (topics, device, control) {
  return topics[`override/${device}/${control}`] ?? null
}

export function decision (topics, device, control) {
  return topics[`decision/${device}/${control}`] ?? null
}

export function control (topics, device, name) {
  return topics[`controls/${device}`]?.controls?.find((one) => one.control === name) ?? null
}

/** The rooms with all that is known of each, in the order of the house file. */
export function rooms (topics, now) {
  return heatingNames(topics).flatMap((device) => {
    const listed = Object.keys(topics.site?.rooms?.[device] ?? {})
    const names = listed.length ? listed : controlledRooms(topics, device)
    return names.map((name) => room(topics, device, name, now))
  })
}

function controlledRooms (topics, device) {
  return (topics[`controls/${device}`]?.controls ?? [])
    .filter((one) => one.control.endsWith('_setpoint_c'))
    .map((one) => one.control.slice(0, -'_setpoint_c'.length))
}

function room (topics, device, name, now) {
  const setpoint = decision(topics, device, `${name}_setpoint_c`)
  const relay = decision(topics, device, `${name}_relay`)
  const measured = point(topics, device, `${name}_temperature_c`)
  const band = bandAt(topics[`comfort/${device}`]?.rooms?.[name], now)
  const temperature = known(measured?.value) ? measured.value : null
  return {
    device,
    name,
    temperature,
    stale: measured ? measured.quality !== 'good' : true,
    target: numeric(value(topics, device, `${name}_target_c`)) ?? numeric(setpoint?.value),
    relay: value(topics, device, `${name}_relay`),
    kw: numeric(value(topics, device, `${name}_power_kw`)),
    window: value(topics, device, `${name}_window_open`) === true,
    heldBy: value(topics, device, `${name}_held_by`) || '',
    band,
    comfort: comfort(temperature, band),
    reason: relay?.reason || setpoint?.reason || '',
    override: overrideOf(topics, device, `${name}_setpoint_c`) ?? overrideOf(topics, device, `${name}_relay`),
    setpointControl: control(topics, device, `${name}_setpoint_c`),
    relayControl: control(topics, device, `${name}_relay`)
  }
}

/** The band that is in force at an instant, of bands that each begin at `from`. */
export function bandAt (bands, now) {
  let found = null
  for (const band of bands ?? []) {
    if (found === null || Date.parse(band.from) <= now) found = band
  }
  return found
}

/** `cold`, `warm` or `good`; a tenth of a degree beside the band is still good. */
export function comfort (temperature, band) {
  if (temperature === null || !band) return 'unknown'
  if (temperature < band.low_c - 0.1) return 'cold'
  if (temperature > band.high_c + 0.1) return 'warm'
  return 'good'
}
