'use strict'
// What people choose while PEMS is down: carried at once from the catalogue, ended in time, and handed to PEMS when it is back.

/** So often PEMS is told of a choice, at a heartbeat each. */
const MOST_TELLINGS = 5

/** Choices that wait for PEMS, one for each control. Kept by whoever owns this, over a restart of Node-RED too. */
class ByHand {
  /** @param {{choices: object[], stop: object|null, clears: object[]}} kept what an earlier life left */
  constructor (kept = {}) {
    /** An emergency stop that PEMS does not know of yet, as `emergency/set` takes it. */
    this.stop = kept.stop || null
    /** Overrides of PEMS's own that were ended while it was down, as `override/clear` takes them. */
    this.clears = kept.clears || []
    this._choices = new Map((kept.choices || []).map((choice) => [`${choice.device}/${choice.control}`, choice]))
  }

  get kept () { return { choices: this.all, stop: this.stop, clears: this.clears } }

  get all () { return [...this._choices.values()] }

  /** Whether a person holds a device. */
  holds (device) { return this.all.some((choice) => choice.device === device) }

  /**
   * Choose an option of the catalogue.
   * @param {import('./house').House} house
   * @param {object} request as `override/set` takes it
   * @param {number} now [ms]
   * @returns {object} with the wire messages that bring it about
   * @throws {Error} if the catalogue has no such option
   */
  choose (house, request, now) {
    const place = `${request.device}/${request.control}`
    const known = house.devices[request.device]
    if (!known || !known.controls) throw new Error(`${place}: found no catalogue of ${request.device}; allowed: a device that PEMS has told of`)
    const control = known.controls.controls.find((one) => one.control === request.control)
    if (!control) {
      const names = known.controls.controls.map((one) => one.control).join(', ')
      throw new Error(`${place}: found no such control; allowed: ${names}`)
    }
    const option = control.options.find((one) => one.value === request.value)
    if (!option || option.wire.length === 0) {
      const values = control.options.map((one) => JSON.stringify(one.value)).join(', ')
      throw new Error(`${place}: found ${JSON.stringify(request.value)}; while PEMS is down allowed: ${values}`)
    }
    if (option.wire.some((message) => message.transport === 'modbus')) {
      throw new Error(`${place}: found a device behind Modbus, which only PEMS speaks; while PEMS is down allowed: its own panel`)
    }
    const clock = house.clock(now)
    const until = request.until ? Date.parse(request.until) : clock + request.for_minutes * 60000
    const { for_minutes: _, ...asked } = request
    const choice = {
      ...asked,
      until: new Date(until).toISOString(),
      set_at: new Date(clock).toISOString(),
      // By the wall: PEMS's clock is not known while it is down, and may be another when it is back.
      ends_ms: now + (until - clock) / house.speed,
      wire: option.wire
    }
    this._choices.set(place, choice)
    this.clears = this.clears.filter((clear) => clear.device !== request.device || clear.control !== request.control)
    return choice
  }

  /** End choices, and overrides that PEMS shows; the devices that they held. */
  clear (house, { device, control, by }) {
    const meant = (one) => ['', one.device].includes(device) && ['', one.control].includes(control)
    const shown = Object.values(house.devices).flatMap((known) => Object.values(known.overrides)).filter(meant)
    this.clears = [...this.clears, ...shown.map((one) => ({ device: one.device, control: one.control, by }))]
    return [...this._take(meant), ...shown].map((one) => one.device)
  }

  /** Forget choices: one that could not be carried, or all when everything is stopped. */
  drop (choices) {
    for (const { device, control } of choices) this._choices.delete(`${device}/${control}`)
  }

  /** What is left to be ended at PEMS: what it shows no more is ended. */
  clearsLeft (house) {
    this.clears = this.clears.filter(({ device, control }) => house.devices[device] && house.devices[device].overrides[control])
    return this.clears
  }

  /** Those whose time is over; they are forgotten. */
  ended (now) {
    return this._take((choice) => choice.ends_ms <= now)
  }

  /** What PEMS is to be told now that it is back, as `override/set` takes it; kept until PEMS shows it, or has refused it often. */
  handOver (house, now) {
    for (const choice of this.all) choice.told = (choice.told || 0) + 1
    return this.all.map(({ device, control, value, by, reason, ends_ms: ends }) => ({
      device, control, value, for_minutes: (ends - now) * house.speed / 60000, by, reason: reason || 'chosen while PEMS was down'
    }))
  }

  /** PEMS shows an override: it has taken the choice over. */
  taken ({ device, control, value }) {
    return this._take((choice) => choice.device === device && choice.control === control && choice.value === value && choice.told > 0)
  }

  /** Those that PEMS was told of in vain; they are forgotten. */
  refused () {
    return this._take((choice) => choice.told >= MOST_TELLINGS)
  }

  _take (which) {
    const taken = this.all.filter(which)
    for (const choice of taken) this._choices.delete(`${choice.device}/${choice.control}`)
    return taken
  }
}

module.exports = { ByHand }
