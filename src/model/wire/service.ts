/** The one method of the service in discovery.proto. */
export const deltaStreamPath =
  '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
