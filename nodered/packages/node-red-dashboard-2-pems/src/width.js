import { onBeforeUnmount, onMounted, ref } from 'vue'

/**
 * The width of an element as it is laid out [px], so that a picture is drawn in the pixels it has.
 *
 * @returns {{box: import('vue').Ref, width: import('vue').Ref<number>}} `box` goes to the element's `ref`
 */
export function useWidth (otherwise = 320) {
  const box = ref(null)
  const width = ref(otherwise)
  let watcher = null
  onMounted(() => {
    watcher = new ResizeObserver(([entry]) => { width.value = Math.max(60, Math.round(entry.contentRect.width)) })
    watcher.observe(box.value)
  })
  onBeforeUnmount(() => watcher?.disconnect())
  return { box, width }
}
