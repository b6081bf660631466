"""`live` and `ready`, for load balancers and supervisors. The platform is never asked."""
