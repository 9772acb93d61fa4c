import { reactive } from 'vue'

/** The sheet on which a person sets something by hand: what it is about, and whether it is open. */
export const sheet = reactive({ open: false, title: '', device: '', controls: [] })

/**
 * @param {string} title what it is about, such as the name of a room
 * @param {string} device
 * @param {string[]} controls those that can be chosen on the sheet, the usual one first
 */
export function openSheet (title, device, controls) {
  Object.assign(sheet, { open: true, title, device, controls })
}
