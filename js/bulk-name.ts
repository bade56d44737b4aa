/** Stands for a group's key where a bulk loader answers. */
export const BULK_LOADER = 'the bulk loader'
